"""The computer: what it is, what it was measured to do, and how a group of lanes is computed on it."""
