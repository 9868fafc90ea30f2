"""Names and layouts of models that are not ours, slot by slot."""
