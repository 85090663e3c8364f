"""The record (run.json) of a translation model, as `train` writes it and the card reads it."""

from __future__ import annotations

from typing import Any, TypedDict

from hf_lmt.data.prepare.prepared_record import PreparationCounts, PreparationSettings, SourceFacts
from hf_miwv.common.runs.record import Record


class LaunchFacts(TypedDict):
    """How many processes trained together, and how the model was spread over them."""

    processes: int
    sharding: str | None


class TrainedModel(TypedDict, total=False):
    """The base model as it was loaded; device_name is None on a CPU."""

    source: str
    revision: str | None
    dtype: str
    attention: str | None
    parameters: int
    trained_parameters: int
    device: str
    device_name: str | None


class PreparedPart(TypedDict):
    """The parts of the record of `prepare` that a model is described by."""

    settings: PreparationSettings
    counts: PreparationCounts
    contamination: str


class TrainedRows(TypedDict, total=False):
    """Rows and tokens as the trainer read them."""

    used: int
    no_room: int
    cut: int
    tokens: int
    target_tokens: int
    longest: int
    fingerprint: str


class TrainedRecord(Record, total=False):
    """The record of `train`; prompts is None for continued pre-training, pictures only where quality was watched.

    rewards and reward_curve are there only after stage grpo.
    """

    kind: str
    recipe: dict[str, Any]
    overrides: dict[str, Any]
    launch: LaunchFacts
    model: TrainedModel
    data: list[SourceFacts]
    prepared: PreparedPart
    rows: TrainedRows
    prompts: dict[str, Any] | None
    settings: dict[str, Any]
    seeds: dict[str, int | None]
    steps: int
    epochs: float | None
    loss_curve: list[dict[str, Any]]
    rewards: list[dict[str, Any]]
    reward_curve: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    checks: dict[str, Any]
    pictures: list[str]
