"""Which rows to keep: filters in order, each with a reason for every row that it takes."""
