"""The card of a translation model: from run.json, recipe and evaluations, and nothing else."""
