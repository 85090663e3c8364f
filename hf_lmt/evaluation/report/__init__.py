"""Evaluations to be read: tables, heat maps, and a page for the browser."""
