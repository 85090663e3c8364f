"""MIWV in the trainer that people already have."""
