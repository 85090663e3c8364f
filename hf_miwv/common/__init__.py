"""Code that both packages build on; it imports nothing else of this project."""
