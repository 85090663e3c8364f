"""The record (run.json) of prepared rows, which their card, a training and its card read."""

from __future__ import annotations

from typing import Any, TypedDict

from hf_miwv.common.runs.record import Record


class SourceFacts(TypedDict, total=False):
    """One source: where it lies, the limits that the recipe sets it, and its rows."""

    path: Any
    corpus: str
    license: str | None
    split: str | None
    config: str | None
    revision: str | None
    weight: Any
    caps: dict[str, Any]
    rows: int
    fingerprint: str


class PreparationSettings(TypedDict):
    """Every setting that decides about rows; downsampling, pmp and mixture are None where they take no part."""

    seed: int
    directions: int
    curation: dict[str, Any]
    downsampling: Any
    pmp: dict[str, Any] | None
    mixture: Any


class PreparationCounts(TypedDict, total=False):
    """Rows at each stage, by group of directions and by direction, and what curation took."""

    groups: dict[str, dict[str, int]]
    directions: dict[str, dict[str, int]]
    directions_without_rows: list[str]
    curation: dict[str, Any] | None


class PreparedRecord(Record, total=False):
    """The record of `prepare`; the rows of a mixture have `mixture`, all others `prompt_check`."""

    data: list[SourceFacts]
    recipe: dict[str, Any]
    settings: PreparationSettings
    contamination: str
    rows: int
    counts: PreparationCounts
    prompt_check: dict[str, Any]
    mixture: dict[str, Any]
