"""The folder that `evaluate.load` opens."""
