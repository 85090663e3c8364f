"""Scores of lists of texts: BLEU, chrF++, behavior, intervals, means."""
