"""Whether the libraries that train are installed."""

from __future__ import annotations

from hf_miwv.common.extras import need


def check_installed() -> None:
    """Raise InputError where trl or peft is missing."""
    need("train", "training", "trl", "peft")
