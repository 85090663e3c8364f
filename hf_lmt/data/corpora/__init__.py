"""Read corpora of translations and of texts in one language."""
