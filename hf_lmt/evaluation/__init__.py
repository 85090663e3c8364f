"""Judging translations: scores with their signatures, rates of misbehaviour, intervals, means."""
