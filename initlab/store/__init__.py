"""How a sweep is kept on disk: documents with checksums, rows, and who may write a run. Knows no network."""
