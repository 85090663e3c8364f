"""Whether the libraries that train are installed."""

from __future__ import annotations

from importlib.util import find_spec

from hf_miwv.common.errors import InputError


def check_installed() -> None:
    """Raise InputError where trl or peft is missing."""
    missing = [name for name in ("trl", "peft") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"training needs {' and '.join(missing)}, not installed here; run pip install 'hf-miwv-lmt[train]'"
        )
