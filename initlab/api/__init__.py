"""The verbs: each takes plain Python values and returns a value with one public JSON document."""
