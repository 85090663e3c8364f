"""Whether the libraries that train are installed."""

from __future__ import annotations

from hf_miwv.common.extras import need


def check_installed() -> None:
    """Check that trl and peft are installed.

    Raises:
        InputError: one is missing; the message has the line that installs it.
    """
    need("train", "training", "trl", "peft")
