"""The one GPT, for a single run, and its forward pass on a calibration batch."""
