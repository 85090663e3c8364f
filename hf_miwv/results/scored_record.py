"""The record (run.json) of scored rows, as `score` and `select` write it and cards and pages read it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypedDict

from hf_miwv.common.runs.record import Record


class DataFacts(TypedDict, total=False):
    """The rows, and where they come from; a folder may be older than some keys."""

    source: str | None
    split: str | None
    config: str | None
    revision: str | None
    license: str | list[str] | None
    field: str
    rows: int
    shape: str
    columns: dict[str, str]
    columns_not_read: list[str]
    fingerprint: str
    held_out: dict[str, Any]


class TargetFacts(DataFacts, total=False):
    """The target set, how many of its rows are examples, and how many rows of the data have a prompt of it."""

    examples: int
    rows_in_target: int


class ModelFacts(TypedDict, total=False):
    """A causal language model as it was loaded."""

    source: str | None
    revision: str | None
    dtype: str
    quantization: str | None
    attention: str | None
    parameters: int
    trained_parameters: int
    device: str
    fingerprint: str


class EmbedderFacts(TypedDict, total=False):
    """The embedder, the text that it embeds, and the prompts that were too long for it."""

    source: str | None
    revision: str | None
    pooling: str
    text: str
    max_tokens: int | None
    prompts_cut: int
    fingerprint: str


class TemplateFacts(TypedDict, total=False):
    """The template of prompts; the date only where the template prints one."""

    name: str
    sha256: str
    date: str


class Summary(TypedDict):
    """Mean, standard deviation and quantiles by per cent, None where there are no values."""

    mean: float | None
    standard_deviation: float | None
    quantiles: dict[str, Any]


class Lengths(TypedDict):
    """Response tokens of some rows, None where there are no rows."""

    rows: int
    mean: float | None
    median: float | None
    quantile_10: float | None
    quantile_90: float | None


class LengthComparison(TypedDict):
    """Response tokens of the chosen rows beside all; the last two None where a part is empty."""

    chosen: Lengths
    scored: Lengths
    ratio_of_medians: Any
    share_shorter_than_chosen_median: Any


class Statistics(TypedDict, total=False):
    """The columns of the scored rows in numbers; those of REQUESTED_NUMBERS only where they were asked for."""

    rows: int
    scored: int
    status: dict[str, int]
    flags: dict[str, int]
    above_zero: int
    below_zero: int
    equal_zero: int
    miwv: Summary
    loss_zero_shot: Summary
    loss_one_shot: Summary
    loss_response_alone: Summary
    loss_response_bare: Summary
    miwv_spread: Summary
    influence: Summary
    influence_diverse: Summary
    target_gain: Summary
    kcenter_rank: Summary
    selectit: Summary
    selectit_sentence: Summary
    nuggets: Summary
    nuggets_gain: Summary
    deita: Summary
    deita_complexity: Summary
    deita_quality: Summary
    alpagasus: Summary
    response_tokens: Summary
    spearman: dict[str, float | None]
    similarity_fifths: dict[str, list[float | None]]
    highest_tenth_lengths: LengthComparison
    response_length_histogram: dict[str, list[int]]
    hubness: dict[str, Any]


class Choice(TypedDict, total=False):
    """How many rows are kept: one of the three, the others None."""

    fraction: float | str | Decimal | None
    count: int | None
    threshold: float | None


class ResponseFaults(TypedDict):
    """Responses that would do harm, by kind, among the chosen rows and in a sample of all."""

    identifier: str | None
    usual_languages: list[str]
    chosen_rows: int
    sample_rows: int
    chosen: dict[str, int]
    sample: dict[str, int]
    first: dict[str, list[int]]


class SelectionFacts(Choice, total=False):
    """The choice as it was asked for, and its outcome."""

    method: str
    seed: int
    diversity: float | None
    window: int
    include_undesired: bool
    include_target_rows: bool
    like: str
    within: str
    groups: dict[str, dict[str, int]]
    responses: ResponseFaults | None
    one_per: str
    behind_another_response: int
    prompt_completion: bool
    all_rows: int
    scored_rows: int
    kept: int
    lowest_kept_score: float
    scores: dict[str, Summary]
    passed_over: int
    note: str | None


class ScoredRecord(Record, total=False):
    """The record of `score`, and of `select`, which adds `selection`, `lengths` and `scored_run`.

    A selection of rows whose scoring was not recorded has None for data, model, embedder, template,
    settings and `scored_run`.
    """

    data: DataFacts
    target: TargetFacts
    scorers: dict[str, dict[str, Any]]
    rating: dict[str, Any]
    model: ModelFacts
    embedder: EmbedderFacts
    template: TemplateFacts
    settings: dict[str, Any]
    trainer: dict[str, int]
    unused: dict[str, int]
    unreadable: list[dict[str, Any]]
    statistics: Statistics
    demonstrations_with_empty_response: int
    stages: dict[str, Any]
    selection: SelectionFacts
    lengths: LengthComparison | None
    scored_run: ScoredRecord | None
