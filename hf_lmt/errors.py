"""Input that cannot be used: one exception for both packages, and its "did you mean"."""

from __future__ import annotations

from hf_miwv.errors import InputError, did_you_mean

__all__ = ["InputError", "did_you_mean"]
