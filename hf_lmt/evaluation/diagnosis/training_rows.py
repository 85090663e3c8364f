"""How many sources stand behind one English or Chinese sentence of the training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError


def sources_behind_targets(folder: str | Path) -> dict[str, dict[str, Any]]:
    """Count the sources behind each English and each Chinese target of the training rows.

    Args:
        folder (`str | Path`): A folder that `hf-lmt prepare` wrote, or anything that `data.corpora.load.load` reads.

    Returns:
        `dict[str, dict[str, Any]]`: {"zh": {"rows", "sources_per_target", "largest", ...}}:
        `inspection.measures.fan_in`'s counts for each of English and Chinese that the rows are translated into.

    Raises:
        InputError: it is not there, or holds no rows of translations.
    """
    from hf_lmt.data.corpora.load import load
    from hf_lmt.data.corpora.sources import Source
    from hf_lmt.data.inspection.facts import read_facts
    from hf_lmt.data.inspection.measures import measure_targets

    try:
        rows = load(Source(str(folder))).rows
        facts = read_facts(rows, None, {}, progress=False)
    except InputError as error:
        raise InputError(f"--training-rows {folder}: {error}") from error
    targets = measure_targets(facts)
    return {
        code: {name: value for name, value in counts.items() if name != "after"} for code, counts in targets.items()
    }
