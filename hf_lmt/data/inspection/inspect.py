"""Rows of translations in; what they hold and what will go wrong with them out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from datasets import Dataset

from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.curation.identification import LanguageIdentification
from hf_lmt.data.curation.step import Step
from hf_lmt.data.inspection.facts import read_facts
from hf_lmt.data.inspection.inspection_verdict import LIMITS, Finding, judge
from hf_lmt.data.inspection.measures import (
    measure_directions,
    measure_groups,
    measure_targets,
)
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.directions import Direction
from hf_miwv.common.errors import InputError

NOT_CHECKED = "not checked"
PAPER_RULE = StrategicDownsampling()


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect_rows`.

    Attributes:
        rows (`int`): Number of rows.
        directions (`dict[str, dict[str, Any]]`): {direction: measures}, as `measures.measure_directions` describes
            them.
        groups (`dict[str, dict[str, Any]]`): {group: measures}, as `measure_groups` describes them.
        targets (`dict[str, dict[str, Any]]`): {pivot: measures}, as `measure_targets` describes them.
        downsampling (`dict[str, Any] | None`): The settings that were tried; None without.
        findings (`list[Finding]`): What to mend, the worst first; empty where there is nothing.
        checked (`dict[str, Any]`): For "evaluation_sets" and "languages" what the steps noted, or NOT_CHECKED.
    """

    rows: int
    directions: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    targets: dict[str, dict[str, Any]]
    downsampling: dict[str, Any] | None
    findings: list[Finding]
    checked: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, and the limits that the findings go by, ready for JSON."""
        return {
            **vars(self),
            "findings": [finding._asdict() for finding in self.findings],
            "limits": {name: limit._asdict() for name, limit in LIMITS.items()},
        }


def inspect_rows(
    rows: Dataset,
    *,
    downsampling: StrategicDownsampling | None = PAPER_RULE,
    directions: Iterable[Direction] | None = None,
    evaluation_sets: Sequence[str | Source | Mapping[str, Any]] | None = None,
    identification: LanguageIdentification | None = None,
    progress: bool = True,
) -> Inspection:
    """Inspect rows, direction by direction: the contents, and what will go wrong with them.

    Everything is counted on all rows, downsampling too: it is asked about each of them. The rows
    are read once, batch by batch, and 48 bytes are held for each; their order does not matter.

    Examples:
        >>> inspect_rows(load("corpus.tmx").rows).findings                          # doctest: +SKIP

    Args:
        rows (`Dataset`): With source_lang, target_lang, source and target; auxiliary, corpus, row_key
            and line where there are any.
        downsampling (`StrategicDownsampling`, *optional*, defaults to `PAPER_RULE`): The rule to try, by
            default the paper's; None for none.
        directions (`Iterable[Direction]`, *optional*): The directions that are expected; by default both
            directions of each pair.
        evaluation_sets (`Sequence[str | Source | Mapping[str, Any]]`, *optional*): Names or paths of
            sets that no training row may repeat, as in `EvaluationOverlap`; without, overlap is not
            checked.
        identification (`LanguageIdentification`, *optional*): The curation step that tells languages
            apart; without, that is not checked.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `Inspection`: Counts by direction, group and target, and the findings.

    Raises:
        InputError: There is no row, a column is missing or not text, a language is unknown, an
            evaluation set cannot be read, or the rule has counts, which need all rows at once.
    """
    if not len(rows):
        raise InputError("no rows to inspect: give a data set with at least one")
    if downsampling is not None and downsampling.counts:
        raise InputError(
            f"downsampling: counts ({', '.join(downsampling.counts)}) cannot be tried here: give "
            "rates, or inspect StrategicDownsampling(...)(rows)"
        )
    overlap = EvaluationOverlap(evaluation_sets) if evaluation_sets else None
    if overlap is not None:
        overlap.load()
    steps: dict[str, Step | None] = {"overlap": overlap, "other_language": identification}
    asked_steps = {name: step for name, step in steps.items() if step is not None}
    facts = read_facts(rows, downsampling, asked_steps, progress)
    measured, targets = measure_directions(facts), measure_targets(facts)
    return Inspection(
        rows=len(rows),
        directions=measured,
        groups=measure_groups(facts, measured),
        targets=targets,
        downsampling=None if downsampling is None else asdict(downsampling),
        findings=judge(measured, targets, directions, _rule(downsampling)),
        checked={
            "evaluation_sets": NOT_CHECKED if overlap is None else overlap.notes["sets"],
            "languages": NOT_CHECKED if identification is None else dict(identification.notes),
        },
    )


def _rule(downsampling: StrategicDownsampling | None) -> str | None:
    """Write the rule as a recipe has it."""
    if downsampling is None:
        return None
    rates = [f"{json.dumps(glob)}: {rate:g}" for glob, rate in downsampling.rates.items()]
    more = f", rates: {{{', '.join(rates)}}}" if rates else ""
    more += ", multiway_only: true" if downsampling.multiway_only else ""
    return f"{{rate: {downsampling.rate:g}{more}}}"
