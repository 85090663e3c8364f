"""Choose rows by their scores: `select()`."""
