"""Judging translations: scores with their signatures, rates of misbehavior, intervals, means."""
