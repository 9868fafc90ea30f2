"""Statistics of a few seeds: pure functions of numbers. scipy is imported inside them; most commands need none."""
