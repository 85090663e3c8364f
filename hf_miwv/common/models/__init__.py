"""Load models and tokenizers, and tell what a model can do."""
