"""`diagnose`: two evaluations in, or one; what got worse, and what kind of failure it is, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hf_lmt.evaluation.diagnosis.diagnosis_verdict import Finding, judge
from hf_lmt.evaluation.diagnosis.evaluation_changes import Measured, compare
from hf_lmt.evaluation.diagnosis.thresholds import ROWS, THRESHOLDS
from hf_lmt.evaluation.diagnosis.training_rows import sources_behind_targets
from hf_lmt.evaluation.evaluation_folder import Evaluation, read_evaluation
from hf_lmt.evaluation.metrics.confidence import SAMPLES, SEED
from hf_miwv.common.runs.json_text import json_text


@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`.

    Attributes:
        before (`Evaluation | None`): The earlier evaluation; None where one was looked at alone.
        after (`Evaluation`): The later evaluation.
        measured (`Measured`): All changes.
        findings (`list[Finding]`): The verdict, failures first; never empty.
        training (`Mapping[str, Mapping[str, Any]] | None`): Counts of `training_rows.sources_behind_targets`; None
            without training rows.
        marks (`list[str]`): Reasons to doubt the figures of either evaluation.
        samples (`int`): Samples of the bootstrap.
        seed (`int`): Seed of the bootstrap.
    """

    before: Evaluation | None
    after: Evaluation
    measured: Measured
    findings: list[Finding]
    training: Mapping[str, Mapping[str, Any]] | None
    marks: list[str]
    samples: int
    seed: int

    @property
    def alarm(self) -> bool:
        """Return whether a threshold of failure is passed."""
        return any(finding.alarm for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, and the thresholds that the verdict goes by, ready for JSON."""
        return {
            "before": None if self.before is None else self.before.name,
            "after": self.after.name,
            "alarm": self.alarm,
            "findings": [{**finding._asdict(), "alarm": finding.alarm} for finding in self.findings],
            "marks": self.marks,
            "training_rows": self.training,
            "bootstrap": {"samples": self.samples, "seed": self.seed},
            "thresholds": {
                "margin": self.measured.margin,
                "rows": ROWS,
                **{name: threshold._asdict() for name, threshold in THRESHOLDS.items()},
            },
            **asdict(self.measured),
        }


def diagnose(
    before: str | Path | None,
    after: str | Path,
    training_rows: str | Path | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Diagnosis:
    """Find where a model got worse, or differs from another, and what kind of failure that is.

    Args:
        before (`str | Path`, *optional*): A folder that `evaluate` wrote; None looks at `after` alone,
            where only what its outputs show can be judged.
        after (`str | Path`): A folder that `evaluate` wrote, of the same set.
        training_rows (`str | Path`, *optional*): The rows that the model was trained on, such as a
            folder of `prepare`, to count how many sources stand behind a sentence.
        samples (`int`, *optional*, defaults to `SAMPLES`): Resamples of the bootstrap.
        seed (`int`, *optional*, defaults to `SEED`): Seed of the bootstrap.

    Returns:
        `Diagnosis`: All changes, and the verdict.

    Raises:
        InputError: A folder or the rows cannot be read, or the two cannot be compared (`compare`).

    Examples:
        >>> found = diagnose("EVAL_BEFORE", "EVAL_AFTER")                           # doctest: +SKIP
        >>> found.alarm, found.findings[0].kind                                     # doctest: +SKIP
        (True, 'directional_degeneration')
    """
    first = None if before is None else read_evaluation(before)
    second = read_evaluation(after)
    training = None if training_rows is None else sources_behind_targets(training_rows)
    measured = compare(first, second, samples, seed)
    marks = [mark for evaluation in (first, second) if evaluation is not None for mark in evaluation.scores["marks"]]
    return Diagnosis(
        before=first,
        after=second,
        measured=measured,
        findings=judge(measured, first is not None, training),
        training=training,
        marks=list(dict.fromkeys(marks)),
        samples=samples,
        seed=seed,
    )


def as_json(diagnosis: Diagnosis) -> str:
    """Write a diagnosis as JSON text, indented, with a line break at the end.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.

    Returns:
        `str`: The text of diagnosis.json.
    """
    return json_text(diagnosis.as_dict(), indent=2) + "\n"
