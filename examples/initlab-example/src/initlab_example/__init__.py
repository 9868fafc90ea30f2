"""What third parties may add to initlab, one module each; initlab imports a module when its name is asked for."""
