"""COMET scores, computed in another process and environment."""
