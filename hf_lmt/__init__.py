"""LMT: one translation model for 60 languages in 234 directions (arXiv 2511.07003).

>>> from hf_lmt import language, match_directions
>>> language("kk").name, len(match_directions(["*-kk"]))
('Kazakh', 2)

Importing this package is quick; torch and the rest are imported when a function is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_lmt.data.downsampling import StrategicDownsampling
    from hf_lmt.data.multilingual_prompting import (
        AuxiliarySentences,
        ParallelMultilingualPrompting,
    )
    from hf_lmt.directions import (
        DIRECTIONS,
        PAIRS,
        Direction,
        is_reverse,
        match_directions,
        parse_direction,
    )
    from hf_lmt.errors import InputError
    from hf_lmt.languages import LANGUAGES, Language, language

_HOMES = {
    "AuxiliarySentences": "hf_lmt.data.multilingual_prompting",
    "DIRECTIONS": "hf_lmt.directions",
    "Direction": "hf_lmt.directions",
    "InputError": "hf_lmt.errors",
    "LANGUAGES": "hf_lmt.languages",
    "Language": "hf_lmt.languages",
    "PAIRS": "hf_lmt.directions",
    "ParallelMultilingualPrompting": "hf_lmt.data.multilingual_prompting",
    "StrategicDownsampling": "hf_lmt.data.downsampling",
    "is_reverse": "hf_lmt.directions",
    "language": "hf_lmt.languages",
    "match_directions": "hf_lmt.directions",
    "parse_direction": "hf_lmt.directions",
}

__all__ = [
    "DIRECTIONS",
    "LANGUAGES",
    "PAIRS",
    "AuxiliarySentences",
    "Direction",
    "InputError",
    "Language",
    "ParallelMultilingualPrompting",
    "StrategicDownsampling",
    "is_reverse",
    "language",
    "match_directions",
    "parse_direction",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hf_lmt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
