"""The results tree: one directory a run, JSON and JSON lines, no database, no pickle, no torch."""
