"""What both packages stand on; it imports nothing else of this project."""
