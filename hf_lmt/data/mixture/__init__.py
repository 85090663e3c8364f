"""Continued pre-training: texts in one language and translations, mixed by tokens."""

from __future__ import annotations

from hf_lmt.data.mixture.mixture import Mixed, mix

__all__ = ["Mixed", "mix"]
