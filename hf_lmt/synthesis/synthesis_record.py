"""run.json of synthetic pairs: what was translated, by whom and how, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_lmt.data.corpora.load import Loaded
from hf_lmt.data.curation.contamination import contents_of_sets
from hf_lmt.data.curation.curation_settings import settings_of
from hf_lmt.data.curation.step import Step
from hf_lmt.translation.translator import Translator
from hf_miwv.common.cards.parts import shown_name
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.record import new_record


def start_record(
    loaded: Loaded,
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    settings: Mapping[str, Any],
    steps: Sequence[Step],
    command_line: Sequence[str] | None,
) -> dict[str, Any]:
    """Begin the record with what is known before the model writes, and the run's "identity".

    Args:
        loaded (`Loaded`): The rows to be translated, with their counts.
        data (`Mapping[str, Any]`): How the data was asked for: "source" and so on.
        model (`Mapping[str, Any]`): Of `describe_model`.
        settings (`Mapping[str, Any]`): "into", "from", "pivot", "as" and "keep_rejects".
        steps (`Sequence[Step]`): Steps of curation, in order.
        command_line (`Sequence[str]`, *optional*): The command, where there was one.

    Returns:
        `dict[str, Any]`: The record, without counts and timing.
    """
    curation = json.loads(json.dumps(settings_of(steps), default=str))  # as run.json gives it back
    sets = curation.get("contamination", {}).get("sets", ())
    run: dict[str, Any] = {
        **new_record("synthesize", {"command_line": list(command_line) if command_line else None}, "hf_lmt")
    }
    fingerprint = content_fingerprint(loaded.rows)
    run["data"] = {**data, "fingerprint": fingerprint, "counts": loaded.counts}
    run["model"] = dict(model)
    run["settings"] = {**settings, "steps": curation}
    run["contamination"] = "checked" if sets else "not checked"
    run["identity"] = {
        "data": fingerprint,
        **{f"model {name}": value for name, value in model.items() if name != "license"},
        **settings,
        **{f"step {name}": values for name, values in curation.items()},
        "evaluation sets": contents_of_sets(steps),
        "hf_lmt": run["package"]["version"],
        **run["versions"],
    }
    return run


def describe_model(name: str, revision: str | None, license: str | None, translator: Translator) -> dict[str, Any]:
    """Describe the model, its prompt and how it writes, as run.json, card and rows name them.

    The revision is the commit that the Hub gave, else what was asked for; of a folder or file, and
    where nothing is known, the hash of the weights.

    Args:
        name (`str`): Hub id or path of the model.
        revision (`str`, *optional*): Revision that was asked for.
        license (`str`, *optional*): License of the model.
        translator (`Translator`): The loaded model.

    Returns:
        `dict[str, Any]`: "source", "revision", "license", "hints", "prompt", and what `Translator.describe` has.
    """
    described = translator.describe()
    commit = None if Path(name).expanduser().exists() else translator.commit
    return {
        "source": shown_name(name),
        "revision": commit or revision or str(described["made_by"]["model"]),
        "license": license,
        "hints": translator.hints,
        **described,
        "prompt": {**described["prompt"], "wording": asdict(translator.style.wording)},
    }


def complete_record(
    run: Mapping[str, Any],
    counts: Mapping[str, Any],
    rows: Dataset,
    translator: Translator,
    seconds: float,
) -> dict[str, Any]:
    """Add what was counted to the record; "timing" is the one part that differs between runs.

    Args:
        run (`Mapping[str, Any]`): Of `start_record`.
        counts (`Mapping[str, Any]`): Counts of `synthesize`.
        rows (`Dataset`): The pairs.
        translator (`Translator`): The model, with its seconds and counts.
        seconds (`float`): Seconds of the whole run.

    Returns:
        `dict[str, Any]`: The whole record.
    """
    return {
        **run,
        "rows": len(rows),
        "counts": dict(counts),
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "seconds_translating": round(translator.seconds, 3),
            "tokens_written": translator.counts["tokens"],
            "texts_from_earlier_work": translator.counts["reused"],
        },
    }
