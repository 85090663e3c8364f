"""MIWV: which few rows of an instruction data set would teach your own model most.

>>> from hf_miwv import score, select                                       # doctest: +SKIP
>>> scored = score(dataset, "Qwen/Qwen3-0.6B-Base", output="scored")        # doctest: +SKIP
>>> chosen = select(scored, fraction=0.01)                                  # doctest: +SKIP

High = weak = keep: even with a worked example the model does badly on the row, so it teaches.
Importing this package is quick; torch and the rest are imported when a function is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_miwv.errors import InputError
    from hf_miwv.scoring import score
    from hf_miwv.selection import select

_HOMES = {"InputError": "hf_miwv.errors", "score": "hf_miwv.scoring", "select": "hf_miwv.selection"}

__all__ = ["InputError", "score", "select"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hf_miwv' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
