"""Score every row: `score()` and its steps."""
