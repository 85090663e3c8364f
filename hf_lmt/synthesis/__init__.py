"""Pairs of which a model wrote one side: from texts in one language, or by way of a pivot."""
