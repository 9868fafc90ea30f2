"""initlab: a wind tunnel for transformer initialisation."""
