"""The plan of an evaluation, made and checked before any work is done."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_lmt.comet.comet_settings import FLOAT32
from hf_lmt.directions import Direction, match_directions, parse_direction
from hf_lmt.evaluation.comet.comet_scores import find_comet, why_unavailable
from hf_lmt.evaluation.direction_scores import split_metrics
from hf_lmt.evaluation.evaluated_record import Contamination
from hf_lmt.evaluation.evaluation_folder import NO_TEXT
from hf_lmt.evaluation.sets.set_lines import EvaluationSet, Lines
from hf_lmt.evaluation.sets.trained_on import Claim, training_of
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.source import Source

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Hold the lines, metrics and marks of an evaluation to come.

    Attributes:
        opened (`EvaluationSet`): The evaluation set.
        lines (`Mapping[Direction, Lines]`): Lines of each direction.
        missing (`Mapping[Direction, str]`): Directions without lines, and why.
        counted (`Sequence[str]`): Metrics that are counted here.
        learned (`Sequence[str]`): Metrics of COMET.
        comet (`Path`, *optional*): Python of unbabel-comet's environment; None where COMET runs in this process.
        comet_dtype (`str`): Of its encoder there.
        unavailable (`Mapping[str, str]`): Metrics that will have no figure at all, and why.
        contamination (`Contamination`): Facts about the model's training on the set.
        marks (`Sequence[str]`): Remarks that every table is to carry.
    """

    opened: EvaluationSet
    lines: Mapping[Direction, Lines]
    missing: Mapping[Direction, str]
    counted: Sequence[str]
    learned: Sequence[str]
    comet: Path | None
    comet_dtype: str
    unavailable: Mapping[str, str]
    contamination: Contamination
    marks: Sequence[str]

    @property
    def metrics(self) -> list[str]:
        """List all metrics, counted ones before learned ones."""
        return [*self.counted, *self.learned]


def make_plan(
    opened: EvaluationSet,
    directions: Sequence[str] | None,
    metrics: Sequence[str],
    *,
    available: Collection[Direction] | None,
    contamination: Contamination,
    hints: str,
    comet_python: Path | None,
    install_comet: bool,
    comet_dtype: str | None,
) -> Plan:
    """Make the plan of `evaluate`, whose arguments these are.

    Args:
        opened (`EvaluationSet`): The evaluation set.
        directions (`Sequence[str]`, *optional*): Names or globs of directions; None for all that can be judged.
        metrics (`Sequence[str]`): Names of metrics.
        available (`Collection[Direction]`, *optional*): Directions that there are hypotheses for; None where a
            model will write them.
        contamination (`Contamination`): Of `check_training`.
        hints (`str`): "none", "self" or "given".
        comet_python (`Path`, *optional*): Python of an environment with unbabel-comet.
        install_comet (`bool`): Make such an environment where there is none.
        comet_dtype (`str`, *optional*): Of the encoder where COMET runs in this process; None for float32.

    Returns:
        `Plan`: The plan; metrics whose model cannot be had are in it as unavailable, and a warning says so.

    Raises:
        InputError: as `choose_directions`, `split_metrics` and `find_comet`; a dtype that would have no effect.
    """
    counted, learned = split_metrics(metrics)
    lines, missing = choose_directions(opened, directions, available)
    if comet_dtype is not None and (not learned or comet_python is not None or install_comet):
        raise InputError(
            f"comet_dtype {comet_dtype} (--comet-dtype) is of COMET in this process, which is not asked for; leave it "
            "out, or give a metric of COMET without comet_python and install_comet"
        )
    comet = find_comet(comet_python, install_comet) if learned else None
    unavailable = {name: reason for name in learned if (reason := why_unavailable(name, comet)) is not None}
    for name, reason in unavailable.items():
        logger.warning("%s is left out: %s", name, reason)
    marks = _marks(opened, contamination, hints)
    dtype = comet_dtype or FLOAT32
    return Plan(opened, lines, missing, counted, learned, comet, dtype, unavailable, contamination, marks)


def choose_directions(
    opened: EvaluationSet, globs: Sequence[str] | None, available: Collection[Direction] | None
) -> tuple[dict[Direction, Lines], dict[Direction, str]]:
    """Choose the lines of each direction to judge, and say why others that were asked for have none.

    Args:
        opened (`EvaluationSet`): The evaluation set.
        globs (`Sequence[str]`, *optional*): Names or globs of directions; None for all of `available`, or of the
            set.
        available (`Collection[Direction]`, *optional*): Directions that there are hypotheses for; None where a
            model will write them.

    Returns:
        `tuple[dict[Direction, Lines], dict[Direction, str]]`: Lines by direction, and reasons by direction.

    Raises:
        InputError: a direction that is named cannot be judged, or none can.
    """
    if globs is None:
        candidates = match_directions(map(str, opened.directions() if available is None else available))
        named = set(candidates)
    else:
        candidates = match_directions(globs)
        named = {parse_direction(glob) for glob in globs if "*" not in glob}
    lines, missing = {}, {}
    for direction in candidates:
        direction_lines = opened.lines(direction)
        reason = None if direction_lines else obstacle(opened, direction)
        if direction_lines and available is not None and direction not in available:
            reason = "there are no hypotheses in this direction"
        if reason and direction in named:
            raise InputError(f"{direction}: {reason}; {_offer(opened, available)}")
        if reason:
            missing[direction] = reason
        elif direction_lines:
            lines[direction] = direction_lines
    if not lines:
        raise InputError(f"no direction can be judged: {_offer(opened, available)}")
    if missing:
        logger.warning("%d asked directions cannot be judged: %s", len(missing), shown(missing))
    return lines, missing


def obstacle(opened: EvaluationSet, direction: Direction) -> str:
    """Say why a set has no line in a direction.

    Args:
        opened (`EvaluationSet`): The evaluation set.
        direction (`Direction`): The direction.

    Returns:
        `str`: The languages that the set lacks, or that it has no line with both.
    """
    absent = [f"{language(code).name} ({code})" for code in direction if code not in opened.languages]
    if absent:
        return f"the evaluation set {opened.name}{NO_TEXT}{' and '.join(absent)}"
    return f"the evaluation set {opened.name} has no line in this direction"


def check_training(opened: EvaluationSet, model: Source | None, allowed: bool) -> Contamination:
    """Look for the set in a model's training data.

    Args:
        opened (`EvaluationSet`): The evaluation set.
        model (`Source`, *optional*): Name or folder of the model; None where there is none.
        allowed (`bool`): Go on where the model was trained on the set.

    Returns:
        `Contamination`: The facts for the record.

    Raises:
        InputError: the model was trained on the set, and that is not allowed.
    """
    if model is None:
        return {"checked": False, "why": "no name of a model is known", "overlap": []}
    training = training_of(model)
    if not training.looked_at:
        logger.warning("nothing says what %s was trained on; overlap with %s is not checked", model, opened.title)
        return {"checked": False, "why": "nothing says what it was trained on", "overlap": []}
    overlap = training.overlap(opened)
    if overlap and not allowed:
        raise InputError(
            f"{model} was trained on {opened.title} ({_said(overlap)}), so its figures there say "
            "nothing of other text; give another evaluation set, or --allow-contaminated, which "
            "marks every table"
        )
    return {
        "checked": True,
        "looked_at": list(training.looked_at),
        "overlap": [claim._asdict() for claim in overlap],
    }


def _said(claims: Sequence[Claim]) -> str:
    return "; ".join(f"{claim.name!r}, says {claim.said_by}" for claim in claims)


def _marks(opened: EvaluationSet, contamination: Contamination, hints: str) -> list[str]:
    marks = []
    if contamination["overlap"]:
        said = _said([Claim(**claim) for claim in contamination["overlap"]])
        marks.append(f"CONTAMINATED: the model was trained on this set ({said})")
    if hints == "given":
        marks.append("hints are the set's own texts (PMP-O): an upper bound")
    if opened.limit is not None:
        marks.append(f"a sample of {opened.limit} lines of each direction at most")
    return marks


def _offer(opened: EvaluationSet, available: Collection[Direction] | None) -> str:
    if available is not None:
        return f"there are hypotheses in {shown(available)}, and the set has {_codes(opened)}"
    return f"the set has {_codes(opened)}"


def _codes(opened: EvaluationSet) -> str:
    return ", ".join(opened.languages)


def shown(directions: Collection[Direction | str] | Mapping[Direction, Any]) -> str:
    """List the first eight directions, in words.

    Args:
        directions (`Collection[Direction | str] | Mapping[Direction, Any]`): The directions.

    Returns:
        `str`: Their names, with "..." where there are more.
    """
    names = [str(direction) for direction in directions]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
