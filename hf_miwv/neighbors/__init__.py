"""Embed prompts, and find the nearest other row of each."""
