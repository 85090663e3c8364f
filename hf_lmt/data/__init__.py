"""From corpora to training rows: which rows are kept, which get a hint, what the prompt says."""
