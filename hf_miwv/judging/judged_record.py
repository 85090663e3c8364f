"""The record (run.json) of `judge`, which its card, picture and tables read."""

from __future__ import annotations

from typing import Any, TypedDict

from hf_miwv.common.runs.record import Record


class AnswerFile(TypedDict):
    """A file of answers."""

    file: str
    rows: int
    sha256: str


class PairFacts(TypedDict):
    """How answers were matched, those without a partner, and the empty ones of each system."""

    matched_by: str
    only_in_a: int
    only_in_b: int
    empty_answers: dict[str, int]


class Question(TypedDict):
    """The judge's question."""

    sha256: str
    protocol: str


class Tally(TypedDict, total=False):
    """Counts and win score of some pairs; score and interval are None where no pair was judged."""

    pairs: int
    judged: int
    unparseable: int
    refused: int
    wins: int
    ties: int
    losses: int
    win_score: float | None
    interval: list[float] | None
    higher: dict[str, int]
    orders_agree: int


class Scores(TypedDict):
    """The tally of all pairs, and those of the test sets by name."""

    all: Tally
    sets: dict[str, Tally]


class JudgedRecord(Record, total=False):
    """The record of `judge`."""

    answers: dict[str, AnswerFile]
    pairs: PairFacts
    judge: dict[str, Any]
    prompt: Question
    settings: dict[str, Any]
    scores: Scores
