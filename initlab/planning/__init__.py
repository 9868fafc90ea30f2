"""From a spec file or flags to validated runs with ids, lane groups and a cost. Free of torch."""
