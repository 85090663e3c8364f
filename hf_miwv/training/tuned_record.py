"""The record (run.json) of `train`, which its card reads."""

from __future__ import annotations

from typing import Any

from hf_miwv.common.runs.record import Record
from hf_miwv.results.scored_record import DataFacts, ModelFacts, ScoredRecord, TemplateFacts


class TunedRecord(Record, total=False):
    """The record of a model that was tuned on chosen rows, with that of the selection in it."""

    license: str | None
    data: DataFacts
    model: ModelFacts
    recipe: dict[str, Any]
    chosen_run: ScoredRecord
    rows: dict[str, int]
    settings: dict[str, Any]
    seeds: dict[str, int | None]
    template: TemplateFacts
    steps: int
    epochs: float | None
    loss_curve: list[dict[str, Any]]
    held_out: dict[str, Any] | None
    prompts_unlike_inference: dict[str, Any] | None
