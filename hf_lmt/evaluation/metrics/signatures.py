"""Scores that carry their signature: how each number came about, in sacreBLEU's manner."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hf_miwv.common.runs.record import package_version

_version = cache(package_version)  # every figure is signed


@dataclass(frozen=True, slots=True)
class Score:
    """Hold a number with all that it takes to compute it again, or the reason why it is missing.

    Attributes:
        value (`float`, *optional*): The score in the metric's unit; None where the metric cannot judge.
        signature (`str`): Settings and version, such as "nrefs:1|case:mixed|...|version:2.6.0"; empty
            where there is no value.
        unavailable (`str`, *optional*): Why there is no value, and what to do about it; None where there
            is one.
    """

    value: float | None
    signature: str
    unavailable: str | None = None


def signature(**settings: Any) -> str:
    """Sign a figure that hf_lmt computes: `name:value|...|version:hf_lmt.VERSION`.

    >>> signature(script_share=0.5).split("|")[0]
    'script_share:0.5'

    Args:
        **settings (`Any`): The settings that the figure depends on.

    Returns:
        `str`: The signature.
    """
    named = {**settings, "version": f"hf_lmt.{_version()}"}
    return "|".join(f"{name}:{value}" for name, value in named.items())
