"""Claims and gates: statements about stored sweeps, and what the numbers say of them. Free of torch."""
