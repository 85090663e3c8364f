"""run.json of prepared rows: what they were made of and how, and what became of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hf_lmt.data.curation.contamination import contents_of_sets
from hf_lmt.data.curation.curation_settings import settings_of as settings_of_steps
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.prepared_record import PreparationSettings, PreparedRecord
from hf_lmt.data.prepare.prompt_check import KEY
from hf_miwv.common.runs.record import new_record

CONTAMINATION = "contamination"  # the step that compares with evaluation sets


def start_record(
    recipe: DataRecipe,
    counts_of_sources: Sequence[Any],
    fingerprints: Sequence[str],
    keep_rejects: bool,
    origin: Mapping[str, Any],
) -> PreparedRecord:
    """Begin the record with what is known of the sources, and the run's "identity".

    Args:
        recipe (`DataRecipe`): The recipe.
        counts_of_sources (`Sequence[Any]`): What reading each source counted, as far as it is known.
        fingerprints (`Sequence[str]`): Of each source, what tells its content from another.
        keep_rejects (`bool`): Whether the rows that go are written, too.
        origin (`Mapping[str, Any]`): "command_line" and what else the record says about the run.

    Returns:
        `PreparedRecord`: The record, without what is counted later.
    """
    run: PreparedRecord = {**new_record("prepare", origin, "hf_lmt")}
    run["data"] = [
        {
            "path": source.path,
            "corpus": source.corpus_name,
            "license": source.license,
            "split": source.split,
            "config": source.config,
            "revision": source.revision,
            "weight": source.weight,
            "caps": dict(source.caps),
            **counts,
            "fingerprint": fingerprint,
        }
        for source, counts, fingerprint in zip(recipe.sources, counts_of_sources, fingerprints, strict=True)
    ]
    run["recipe"] = dict(recipe.content)
    run["settings"] = settings_of(recipe)
    run["contamination"] = contamination_of(recipe)
    run["identity"] = {
        "data": list(fingerprints),
        "limits": [[source.weight, dict(source.caps)] for source in recipe.sources],
        "directions": [str(direction) for direction in recipe.directions],
        "curation": run["settings"]["curation"],
        "evaluation sets": contents_of_sets(recipe.steps),
        "downsampling": run["settings"]["downsampling"],
        "prompts": run["settings"]["pmp"],
        "mixture": run["settings"]["mixture"],
        "model": recipe.training.get(KEY),
        "seed": recipe.seed,
        "rejects": "kept" if keep_rejects else "not kept",
        "hf_lmt": run["package"]["version"],
        **run["versions"],
    }
    return run


def settings_of(recipe: DataRecipe) -> PreparationSettings:
    """Collect every setting that decides about rows, defaults and seeds among them, as JSON has it.

    Args:
        recipe (`DataRecipe`): The recipe.

    Returns:
        `PreparationSettings`: The settings by section, None for a section that is off.
    """
    thinning, prompting = recipe.downsampling, recipe.prompting
    return {
        "seed": recipe.seed,
        "directions": len(recipe.directions),
        "curation": _plain(settings_of_steps(recipe.steps)),
        "downsampling": None if thinning is None else _plain(vars(thinning)),
        "pmp": None if recipe.mixture is not None else _plain(vars(prompting)),
        "mixture": None if recipe.mixture is None else _plain(recipe.mixture),
    }


def contamination_of(recipe: DataRecipe) -> str:
    """Say whether the rows were compared with evaluation sets.

    Args:
        recipe (`DataRecipe`): The recipe.

    Returns:
        `str`: "checked" or "not checked".
    """
    compared = any(step.name == CONTAMINATION and step.sets for step in recipe.steps)
    return "checked" if compared else "not checked"


def complete_record(
    run: PreparedRecord,
    recipe: DataRecipe,
    curation: Mapping[str, Any] | None,
    result_facts: Any,
    seconds: float,
) -> PreparedRecord:
    """Complete the record with what was counted; "timing" is the one part that differs between runs.

    Args:
        run (`PreparedRecord`): The record of `start_record`.
        recipe (`DataRecipe`): The recipe.
        curation (`Mapping[str, Any]`, *optional*): The counts of `curate`; None without it.
        result_facts (`dict[str, Any]`): Counts of the rows that were made: "rows", "groups", "directions", and others
            that the record takes as they are.
        seconds (`float`): Duration of the run.

    Returns:
        `PreparedRecord`: The whole record.
    """
    stages = result_facts.pop("directions")
    last = {name: stage_counts["rows"] for name, stage_counts in stages.items()}
    requested_directions = [str(direction) for direction in recipe.directions]
    return {
        **run,
        "rows": result_facts.pop("rows"),
        "counts": {
            "groups": result_facts.pop("groups"),
            "directions": stages,
            "directions_without_rows": [name for name in requested_directions if not last.get(name)],
            "curation": {step["name"]: _step(step) for step in curation["steps"]} if curation else None,
        },
        **result_facts,
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
        },
    }


def _step(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows that one step of curation took, of which directions and why, and its notes."""
    rejected_by_direction = {
        name: direction_counts["rejected"]
        for name, direction_counts in counts["directions"].items()
        if direction_counts["rejected"]
    }
    return {
        "rejected": counts["rejected"],
        "reasons": counts["reasons"],
        "directions": rejected_by_direction,
        "notes": counts["notes"],
    }


def _plain(value: Any) -> Any:
    """Return the value as JSON has it; what it has no form for by its text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items() if not str(name).startswith("_")}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return _plain(vars(value))
    return value if isinstance(value, str | int | float | bool | None) else str(value)
