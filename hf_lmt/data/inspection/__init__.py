"""What rows of translations hold, direction by direction, and what will go wrong with them."""
