"""Update rules, each with its settings, by name; what moves many lanes with them is ``initlab.engine.optimizer``."""
