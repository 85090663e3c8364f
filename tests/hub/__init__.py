"""A small Hub on the loopback address: a real HTTP server for the real clients."""
