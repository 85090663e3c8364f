"""Inspection of rows of translations: their content by direction, and what will go wrong with them."""
