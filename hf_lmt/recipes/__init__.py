"""Training recipes, read and checked as a whole before anything is loaded."""
