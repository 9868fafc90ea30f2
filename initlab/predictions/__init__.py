"""Theory applied to inits by name and to sweeps: documents of predictions, and what measurements make of them."""
