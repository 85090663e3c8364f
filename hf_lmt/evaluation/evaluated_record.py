"""The record (run.json) of an evaluation, which cards, pages and comparisons read."""

from __future__ import annotations

from typing import Any, TypedDict

from hf_miwv.common.runs.record import Record


class SetFacts(TypedDict, total=False):
    """The evaluation set as it was opened; the limit, in lines of a direction, is None where there was none."""

    given: str
    split: str | None
    reading: dict[str, Any]
    name: str
    title: str
    languages: Any
    limit: int | None
    seed: int
    notes: dict[str, Any]
    fingerprint: str


class JudgedModel(TypedDict, total=False):
    """The model that wrote the translations, and the settings that they depend on."""

    source: str | None
    revision: str | None
    made_by: dict[str, Any]
    max_new_tokens: int
    length_caps: Any
    prompt: dict[str, str]


class EvaluationSettings(TypedDict, total=False):
    """The metrics, whose texts were hints, and whose COMET scored where one did."""

    metrics: Any
    hints: str
    comet: str
    comet_dtype: str


class Contamination(TypedDict, total=False):
    """Which claims say that the model was trained on the set, or why that is not known."""

    checked: bool
    why: str
    looked_at: list[str]
    overlap: list[dict[str, Any]]


class EvaluationCounts(TypedDict):
    """Directions and lines, lines by status, and what became of the hints."""

    directions: int
    lines: int
    status: dict[str, int]
    hinted: int
    hints_dropped: dict[str, int]


class EvaluatedRecord(Record, total=False):
    """The record of `evaluate`; model is None where the translations came from elsewhere."""

    data: SetFacts
    model: JudgedModel | None
    hypotheses: dict[str, str] | None
    settings: EvaluationSettings
    contamination: Contamination
    unavailable_metrics: dict[str, str]
    missing: dict[str, str]
    matched_by_id: list[Any]
    counts: EvaluationCounts
    marks: list[str]
