"""Serve a page in the browser."""
