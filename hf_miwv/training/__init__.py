"""Score, choose, tune and save, by one recipe."""
