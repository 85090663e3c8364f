"""What each method would choose from the same scored rows, side by side."""
