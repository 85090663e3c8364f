"""Scored rows -> the rows to keep: the highest MIWV first (high = weak = keep)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.card import write_card
from hf_miwv.errors import InputError
from hf_miwv.fingerprints import content_fingerprint
from hf_miwv.folder import check_output, is_finished, read_record, write_folder
from hf_miwv.pictures import draw_chosen
from hf_miwv.reading import read_dataset
from hf_miwv.record import new_record
from hf_miwv.statistics import ScoreColumns, compare_lengths, describe
from hf_miwv.workspace import Workspace, workspace_of

logger = logging.getLogger(__name__)


def select(
    scored: Dataset | str | Path,
    *,
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Dataset:
    """The rows with the highest MIWV, sorted by falling MIWV, ties by row order.

    Args:
        scored: what `score` returned, or the folder that it wrote.
        fraction: keep floor(all rows x fraction), in decimal arithmetic, at least 1 and at most
            the rows that have a score (arXiv 2511.07074: 52,002 rows at 1 % -> 520).
        count: keep this many rows.
        threshold: keep every row with MIWV >= threshold (nats per response token).
        output: a folder to write: parquet, card, pictures, run.json.
        overwrite: replace `output` where it holds something.
        origin: what run.json says of the command ("command_line").

    Raises:
        InputError: not exactly one of fraction, count and threshold; a value out of range; no
            scored rows; a count above the scored rows; an output folder that holds something.
    """
    check_choice(fraction, count, threshold)
    folder = None if isinstance(scored, Dataset) else Path(scored)
    if output is not None:
        check_output(Path(output), overwrite, folder)
    dataset = scored if isinstance(scored, Dataset) else read_dataset(scored)
    whole = ScoreColumns.from_dataset(dataset)
    kept, note = choose(whole, fraction=fraction, count=count, threshold=threshold)
    chosen = dataset.select(kept)
    if output is not None:
        run = _record(origin or {}, read_record(folder) if folder else None, whole, chosen)
        run["selection"] = _selection(fraction, count, threshold, whole, kept, note)
        run["identity"] = {
            "scored rows": content_fingerprint(dataset),
            **{name: run["selection"][name] for name in ("fraction", "count", "threshold")},
            "hf_miwv": run["package"]["version"],
        }
        _write(Path(output), chosen, run, overwrite)
    return chosen


def check_choice(
    fraction: float | str | Decimal | None, count: int | None, threshold: float | None
) -> None:
    """Raise InputError unless exactly one is given, and in range."""
    given = {"fraction": fraction, "count": count, "threshold": threshold}
    named = [f"--{name}" for name, value in given.items() if value is not None]
    if len(named) != 1:
        found = " and ".join(named) or "none of them"
        raise InputError(f"give one of --fraction, --count and --threshold; got {found}")
    if fraction is not None and not 0 < _decimal(fraction) <= 1:
        raise InputError(f"fraction {fraction} is outside (0, 1]; 0.01 keeps 1 %")
    if count is not None and count < 1:
        raise InputError(f"count {count} keeps nothing; give 1 or more")
    if threshold is not None and not np.isfinite(threshold):
        raise InputError(f"threshold {threshold} is no finite number of nats")


def choose(
    columns: ScoreColumns,
    *,
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
) -> tuple[np.ndarray, str | None]:
    """Positions of the rows to keep, (K,) int64, best first, and a note where K is not as asked.

    Rows without a score are never kept.
    """
    order = np.lexsort((np.arange(len(columns.miwv)), -columns.miwv))  # nan sorts last
    ranked = order[: int(columns.scored.sum())]
    if len(ranked) == 0:
        raise InputError("no row has a score, so there is nothing to choose from")
    if threshold is not None:
        kept = ranked[columns.miwv[ranked] >= threshold]
        if len(kept) == 0:
            best = columns.miwv[ranked[0]]
            raise InputError(
                f"no row reaches threshold {threshold}: the highest MIWV is {best:.4f}"
            )
        return kept, None
    if count is not None:
        if count > len(ranked):
            raise InputError(f"count {count} is above the {len(ranked)} rows that have a score")
        return ranked[:count], None
    return _top_share(ranked, len(columns.miwv), _decimal(fraction))


def _top_share(ranked: np.ndarray, rows: int, fraction: Decimal) -> tuple[np.ndarray, str | None]:
    wanted = int(rows * fraction)
    if wanted < 1:
        return ranked[:1], f"{fraction} of {rows} rows is less than one row: one row kept"
    if wanted > len(ranked):
        note = f"{fraction} of {rows} rows is {wanted}, but only {len(ranked)} rows have a score"
        return ranked, f"{note}: all of those kept"
    return ranked[:wanted], None


def _decimal(fraction: float | str | Decimal | None) -> Decimal:
    try:
        value = Decimal(str(fraction))
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise InputError(f"fraction {fraction!r} is not a number; 0.01 keeps 1 %")
    return value


def _record(
    origin: Mapping[str, Any], earlier: dict[str, Any] | None, whole: ScoreColumns, chosen: Dataset
) -> dict[str, Any]:
    run = new_record("select", origin)
    for name in ("data", "model", "embedder", "template", "settings"):
        run[name] = (earlier or {}).get(name)
    columns = ScoreColumns.from_dataset(chosen)
    run["statistics"] = describe(columns)
    scored_tokens = whole.response_tokens[whole.scored]
    run["lengths"] = compare_lengths(columns.response_tokens, scored_tokens)
    run["scored_run"] = earlier
    return run


def _selection(
    fraction: float | str | Decimal | None,
    count: int | None,
    threshold: float | None,
    whole: ScoreColumns,
    kept: np.ndarray,
    note: str | None,
) -> dict[str, Any]:
    return {
        "method": "miwv",
        "fraction": None if fraction is None else str(fraction),
        "count": count,
        "threshold": threshold,
        "all_rows": len(whole.miwv),
        "scored_rows": int(whole.scored.sum()),
        "kept": len(kept),
        "lowest_kept_score": float(whole.miwv[kept[-1]]),
        "note": note,
    }


def _write(output: Path, chosen: Dataset, run: dict[str, Any], overwrite: bool) -> None:
    if is_finished(output, run["identity"], overwrite):
        logger.info("%s already holds this choice, whole", output)
        return
    columns = ScoreColumns.from_dataset(chosen)

    def decorate(folder: Path) -> None:
        write_card(run, draw_chosen(columns, run, folder), folder)

    with Workspace(workspace_of(output)) as workspace:
        write_folder(output, workspace, chosen, run, decorate)
