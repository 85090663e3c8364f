"""Work beside a `transformers.Trainer`: live models, checkpoints, finite steps."""
