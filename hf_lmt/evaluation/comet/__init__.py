"""COMET scores of an evaluation: by our own models, or by unbabel-comet in another process and environment."""
