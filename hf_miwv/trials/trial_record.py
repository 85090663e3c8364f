"""The record (run.json) of `trial`, which its page, picture and tables read."""

from __future__ import annotations

from typing import Any, TypedDict

from hf_miwv.common.runs.record import Record


class TunedArm(TypedDict):
    """One training of an arm: its seed, what it was tuned on, and for how long."""

    seed: int
    rows: int
    steps: int
    tokens: int
    response_tokens: float


class ArmFacts(TypedDict):
    """An arm: its control (None of random rows), its trainings, and its mean in each measurement."""

    control: str | None
    trainings: list[TunedArm]
    means: dict[str, float]


class Compared(TypedDict):
    """A method less its control: the mean difference, its 95 % interval, p-value, Holm's, and the verdict."""

    measurement: str
    method: str
    control: str
    mean: float
    interval: list[float]
    p: float
    corrected_p: float
    verdict: str


class Seen(TypedDict):
    """How small a difference this trial could see, and what others would need."""

    measurement: str
    detectable: float
    needs: list[dict[str, Any]]


class Measurement(TypedDict):
    """A measurement: how many held-out rows took part, which end is better, and the untuned model's mean."""

    rows: int
    left_out: int
    lower_is_better: bool
    unit: str
    untuned: float | None


class TrialRecord(Record, total=False):
    """The record of `trial`."""

    data: dict[str, Any]
    model: dict[str, Any]
    settings: dict[str, Any]
    measurements: dict[str, Measurement]
    arms: dict[str, ArmFacts]
    comparisons: list[Compared]
    groups: dict[str, dict[str, dict[str, Any]]]
    power: list[Seen]
    verdict: str
