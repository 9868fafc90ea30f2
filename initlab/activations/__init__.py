"""The functions an MLP may use: in torch, in numpy for theory, and their Gaussian moments."""
