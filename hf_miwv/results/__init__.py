"""Describe scored rows: statistics, cards, pictures, tables."""
