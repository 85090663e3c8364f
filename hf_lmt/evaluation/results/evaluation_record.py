"""run.json of an evaluation: what was judged, on what and how, and what was noticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import xxhash

from hf_lmt.comet.comet_settings import FLOAT32
from hf_lmt.data.hashing import FIELD
from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluated_record import EvaluatedRecord, EvaluationCounts, SetFacts
from hf_lmt.evaluation.evaluation_plan import Plan
from hf_lmt.evaluation.sets.set_lines import EvaluationSet, fingerprint
from hf_lmt.translation.translator import Translator
from hf_miwv.common.runs.record import new_record


def start_record(
    plan: Plan,
    translator: Translator | None,
    rows: Mapping[Direction, Sequence[Mapping[str, Any]]],
    hints: str,
    model: str | None,
    origin: Mapping[str, Any],
) -> EvaluatedRecord:
    """Begin the record with what is known before the model starts, and the run's "identity".

    Args:
        plan (`Plan`): The plan.
        translator (`Translator`, *optional*): The model that will write the hypotheses.
        rows (`Mapping[Direction, Sequence[Mapping[str, Any]]]`): Hypotheses from elsewhere; none where the model
            will write them.
        hints (`str`): "none", "self" or "given".
        model (`str`, *optional*): Name of the model, where it has one.
        origin (`Mapping[str, Any]`): Facts about the caller, such as "command_line".

    Returns:
        `EvaluatedRecord`: The record, without counts, marks and timing.
    """
    run: EvaluatedRecord = {**new_record("evaluate", origin, "hf_lmt")}
    if find_spec("sacrebleu") is not None:  # COMET alone does without it
        run["versions"]["sacrebleu"] = version("sacrebleu")
    run["data"] = _describe_set(plan.opened, list(plan.lines))
    run["model"] = None
    if translator is not None:
        described: Any = translator.describe()
        run["model"] = {"source": model, "revision": translator.commit, **described}
    run["hypotheses"] = _digests(rows) or None
    run["settings"] = {"metrics": plan.metrics, "hints": hints}
    if plan.learned:
        run["settings"]["comet"] = "hf_lmt" if plan.comet is None else "unbabel-comet"
        # Folders of before have no such key, and are float32.
        if plan.comet_dtype != FLOAT32:
            run["settings"]["comet_dtype"] = plan.comet_dtype
    run["contamination"] = {**plan.contamination}
    run["unavailable_metrics"] = dict(plan.unavailable)
    run["missing"] = {str(direction): reason for direction, reason in plan.missing.items()}
    run["identity"] = {
        "data": run["data"]["fingerprint"],
        "directions": [str(direction) for direction in plan.lines],
        "missing": run["missing"],
        "model": None if translator is None else translator.describe(),
        "hypotheses": run["hypotheses"],
        "settings": run["settings"],
        "marks": list(plan.marks),
        "unavailable_metrics": sorted(plan.unavailable),
        "hf_lmt": run["package"]["version"],
        **run["versions"],
    }
    return run


def _describe_set(opened: EvaluationSet, directions: Sequence[Direction]) -> SetFacts:
    return {
        "given": opened.opened_from,
        "split": opened.split,
        "reading": dict(opened.reading),
        "name": opened.name,
        "title": opened.title,
        "languages": opened.languages,
        "limit": opened.limit,
        "seed": opened.seed,
        "notes": dict(opened.notes),
        "fingerprint": fingerprint(opened, directions),
    }


def _digests(rows: Mapping[Direction, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Hash each direction's texts by xxh3_128."""
    return {
        str(direction): xxhash.xxh3_128_hexdigest(FIELD.join(row["hypothesis"] for row in rows_of_direction).encode())
        for direction, rows_of_direction in rows.items()
    }


def complete_record(
    run: EvaluatedRecord, counts: EvaluationCounts, marks: Sequence[str], seconds: Mapping[str, Any]
) -> EvaluatedRecord:
    """Add what was counted to the record; "timing" is the one part that differs between runs.

    Args:
        run (`EvaluatedRecord`): Of `start_record`.
        counts (`EvaluationCounts`): Counts of the evaluation.
        marks (`Sequence[str]`): Remarks that every table carries.
        seconds (`Mapping[str, Any]`): Part of the work -> seconds.

    Returns:
        `EvaluatedRecord`: The whole record.
    """
    return {
        **run,
        "counts": counts,
        "marks": list(marks),
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
        },
    }
