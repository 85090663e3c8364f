"""The choices that each method would make from the same scored rows, side by side."""
