"""Metrics for `evaluate.load`: each folder is one, and needs nothing from the network."""

from __future__ import annotations

from pathlib import Path

from hf_miwv.common.errors import InputError, did_you_mean

MODULES = {"scores": "hf_lmt_scores", "behavior": "hf_lmt_behaviour"}


def metric_path(name: str) -> str:
    """Return the folder to pass to `evaluate.load`: of "scores" or "behavior".

    Examples:
        >>> metric_path("scores").endswith("hf_lmt_scores")
        True

    Args:
        name (`str`): "scores" or "behavior".

    Returns:
        `str`: Path of the folder.

    Raises:
        InputError: There is no module of that name.
    """
    name = "behavior" if name == "behaviour" else name
    if name not in MODULES:
        raise InputError(f"no metric module {name!r}: {did_you_mean(name, MODULES)}")
    return str(Path(__file__).parent / MODULES[name])
