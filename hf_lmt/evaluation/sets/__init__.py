"""Evaluation sets, hypotheses, and which models trained on which sets."""
