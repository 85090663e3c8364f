"""How the precision of the weights moves the ranking: the same rows scored in each, compared."""

from __future__ import annotations

import gc
import heapq
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import xxhash
from datasets import Dataset

from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.devices import pick_device
from hf_miwv.common.models.models import load_embedder, load_model
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.results.statistics import rank_correlation
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize
from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER, score
from hf_miwv.selection.row_choice import check_choice, choose

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from sentence_transformers import SentenceTransformer

REFERENCE = "float32"
LOADED_WITH: dict[str, dict[str, Any]] = {
    REFERENCE: {"dtype": "float32"},
    "bfloat16": {"dtype": "bfloat16"},
    "8bit": {"quantization": "8bit"},
    "4bit": {"quantization": "4bit"},
}
PRECISIONS = tuple(LOADED_WITH)

logger = logging.getLogger(__name__)


class Measured(NamedTuple):
    """Hold the scores of the sample in one precision.

    Attributes:
        columns (`ScoreColumns`): The scores.
        rows_per_second (`float`): Speed of the scoring passes.
    """

    columns: ScoreColumns
    rows_per_second: float


def compare_precisions(
    dataset: Dataset,
    model: str,
    *,
    embedder: str | SentenceTransformer = DEFAULT_EMBEDDER,
    sample: int = 200,
    seed: int = 0,
    fraction: float | str | Decimal = "0.1",
    precisions: Sequence[str] = PRECISIONS,
    output: str | Path | None = None,
    device: str | None = None,
    template: str | None = None,
    columns: Mapping[str, str] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Score a sample of the rows in each precision and compare with float32.

    The neighbors come from within the sample and are the same throughout; only the weights of
    the model change. One model is in memory at a time. The defaults are ours.

    Args:
        dataset (`Dataset`): Rows of a known shape.
        model (`str`): A Hub id, a folder or a GGUF file.
        embedder (`str | SentenceTransformer`, *optional*): As in `score`.
        sample (`int`, *optional*, defaults to `200`): Rows to score, as `sample_rows` chooses them.
        seed (`int`, *optional*, defaults to `0`): Seed of the sample.
        fraction (`float | str | Decimal`, *optional*, defaults to `"0.1"`): Top share whose overlap is
            measured, as in `select`.
        precisions (`Sequence[str]`, *optional*): Some of `PRECISIONS`, all by default; float32 is always
            measured, first.
        output (`str | Path`, *optional*): A JSON file to write the report to.
        device (`str`, *optional*): As in `score`.
        template (`str`, *optional*): As in `score`.
        columns (`Mapping[str, str]`, *optional*): As in `score`.
        progress (`bool`, *optional*, defaults to `True`): Whether bars are shown.

    Returns:
        `dict[str, Any]`: Counts and settings, and under "precisions" for each the result of
        `compare_scores`, with "rows_per_second" of the scoring passes and "speed", its ratio to float32; or
        {"cannot_run": reason}.

    Raises:
        InputError: an argument that cannot be used, or float32 itself cannot run.
    """
    _check(precisions, sample, fraction, output)
    rows = sample_rows(dataset, sample, seed, columns)
    if isinstance(embedder, (str, Path)):
        embedder = load_embedder(str(embedder), device=device)
    settings = {"embedder": embedder, "template": template, "columns": columns, "device": device, "progress": progress}
    # Without the reference nothing can be compared, so its failure ends the command.
    reference = _measure(REFERENCE, rows, model, settings)
    figures = {REFERENCE: _figures(reference, reference, fraction)}
    for name in precisions:
        if name not in figures:
            figures[name] = _try(name, rows, model, settings, reference, fraction)
    report = {
        "model": model,
        "device": str(pick_device(device)),
        "rows": len(dataset),
        "sample": len(rows),
        "seed": seed,
        "fraction": str(fraction),
        "precisions": figures,
    }
    if output is not None:
        _write(Path(output), report)
    return report


def sample_rows(dataset: Dataset, count: int, seed: int, columns: Mapping[str, str] | None = None) -> Dataset:
    """Sample rows, the same ones in whatever order the rows come.

    Kept are the rows with the smallest xxh3 of (seed, occurrence, prompt, response); occurrence
    counts the rows of the same texts, so that copies are drawn apart. They stay in input order.

    Args:
        dataset (`Dataset`): Rows of a known shape.
        count (`int`): Rows to keep; all, if fewer.
        seed (`int`): Seed of the hash.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.

    Returns:
        `Dataset`: The sample.
    """
    rows = Rows(dataset, recognize(dataset.column_names, columns))
    seen: Counter[bytes] = Counter()
    keys = []
    for example in (example for block in rows.blocks() for example in block):
        texts = json.dumps([example.bare_prompt, example.response]).encode()
        content = xxhash.xxh3_128_digest(texts)
        # Copies get different keys, or all of them would be drawn, or none.
        keys.append(xxhash.xxh3_128_digest(f"{seed} {seen[content]} ".encode() + texts))
        seen[content] += 1
    return dataset.select(sorted(heapq.nsmallest(count, range(len(keys)), key=keys.__getitem__)))


def compare_scores(reference: ScoreColumns, other: ScoreColumns, fraction: float | str | Decimal) -> dict[str, Any]:
    """Measure how far the scores of the same N rows move from `reference` to `other`.

    Args:
        reference (`ScoreColumns`): Scores to compare with.
        other (`ScoreColumns`): Scores to compare.
        fraction (`float | str | Decimal`): Share of the rows that `select` would keep.

    Returns:
        `dict[str, Any]`: Over the `rows_compared`, those with a MIWV in both: `rank_correlation` (Spearman)
        of the MIWVs, and the largest and mean absolute difference in nats per response token, of the "miwv"
        and of the "losses", zero-shot and one-shot together. `top_share_overlap` is |A & B| / |A| of the
        rows that `select` would keep, A by the reference. `changed_status` counts rows. None where a number
        is undefined.
    """
    both = reference.scored & other.scored
    top, other_top = (choose(scores, fraction=fraction)[0] for scores in (reference, other))
    miwv, zero_shot, one_shot = (
        np.abs(getattr(other, name) - getattr(reference, name))[both]
        for name in ("miwv", "loss_zero_shot", "loss_one_shot")
    )
    differences = {"miwv": miwv, "losses": np.concatenate([zero_shot, one_shot])}
    any_compared = both.any()
    return {
        "rows_compared": int(both.sum()),
        "rank_correlation": rank_correlation(reference.miwv, other.miwv),
        "top_share_overlap": len(np.intersect1d(top, other_top)) / len(top),
        "largest_difference": {
            name: float(values.max()) if any_compared else None for name, values in differences.items()
        },
        "mean_difference": {
            name: float(values.mean()) if any_compared else None for name, values in differences.items()
        },
        "changed_status": sum(
            status != other_status for status, other_status in zip(reference.status, other.status, strict=True)
        ),
    }


def _figures(reference: Measured, other: Measured, fraction: float | str | Decimal) -> dict[str, Any]:
    """Add the speed to `compare_scores`, in rows per second and as a ratio to the reference.

    Rows, because a precision in which the model takes no trees runs more tokens for the same rows.
    """
    return {
        **compare_scores(reference.columns, other.columns, fraction),
        "rows_per_second": other.rows_per_second,
        "speed": other.rows_per_second / reference.rows_per_second,
    }


def _measure(precision: str, rows: Dataset, model: str, settings: dict[str, Any]) -> Measured:
    """Load, score, and leave nothing of the model in memory."""
    logger.info("scoring %d rows in %s", len(rows), precision)
    loaded = load_model(model, device=settings["device"], **LOADED_WITH[precision])
    try:
        with TemporaryDirectory() as folder:
            output = Path(folder) / "scored"
            scored = score(
                rows,
                loaded.model,
                tokenizer=loaded.tokenizer,
                output_dir=output,
                overwrite_columns=True,
                **settings,
            )
            run: ScoredRecord = read_record(output) or ScoredRecord()
            columns = ScoreColumns.from_dataset(scored)
    finally:
        # One model at a time: the next one may not fit beside a model in float32.
        del loaded
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return Measured(columns, len(rows) / run["timing"]["seconds"]["score"])


def _try(
    precision: str,
    rows: Dataset,
    model: str,
    settings: dict[str, Any],
    reference: Measured,
    fraction: float | str | Decimal,
) -> dict[str, Any]:
    try:
        return _figures(reference, _measure(precision, rows, model, settings), fraction)
    except (InputError, RuntimeError) as error:  # torch and bitsandbytes: no kernel, no memory
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        logger.warning("%s cannot run here: %s", precision, reason[0])
        return {"cannot_run": reason[0]}


def _check(
    precisions: Sequence[str],
    sample: int,
    fraction: float | str | Decimal,
    output: str | Path | None,
) -> None:
    for name in precisions:
        if name not in PRECISIONS:
            hint = did_you_mean(name, PRECISIONS)
            raise InputError(f"precision {name!r} is not one of ours: {hint}")
    if sample < 2:
        raise InputError(f"sample {sample} is too small to rank; give 2 rows or more")
    check_choice(fraction, None, None)
    if output is None:
        return
    if Path(output).exists():
        raise InputError(f"--output {output} is there already; give a new file")
    if not Path(output).absolute().parent.is_dir():
        raise InputError(f"--output {output}: no such folder; make it first")


def _write(output: Path, report: dict[str, Any]) -> None:
    part = output.with_name(f"{output.name}.part")
    with open(part, "w", encoding="utf-8") as file:
        file.write(json_text(report, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, output)


def show_precisions(report: dict[str, Any], console: Console | None = None) -> None:
    """Print the report of `compare_precisions`.

    Args:
        report (`dict[str, Any]`): The report.
        console (`Console`, *optional*): Console to print on; by default stderr.
    """
    (console or stderr_console()).print(precision_table(report))


def precision_table(report: dict[str, Any]) -> Table:
    """Tabulate one line per precision, how to read it, and why a precision could not run.

    Args:
        report (`dict[str, Any]`): The report.

    Returns:
        `Table`: The table.
    """
    share = f"{(100 * Decimal(report['fraction'])).normalize():f}"
    table = new_table(
        f"{report['sample']} of {report['rows']} rows, each precision against {REFERENCE}",
        "",
        "rank corr.",
        f"top {share} %",
        "MIWV max",
        "mean",
        "loss max",
        "mean",
        "status",
        "speed",
    )
    for name, figures in report["precisions"].items():
        table.add_row(name, *(_cells(figures) if "cannot_run" not in figures else ["–"] * 8))
    reasons = [
        f"{name} cannot run here: {figures['cannot_run']}"
        for name, figures in report["precisions"].items()
        if "cannot_run" in figures
    ]
    reading = (
        f"rank corr. near 1 and top {share} % near 100 %: {REFERENCE}'s choice; max, mean: "
        "absolute difference in nats per response token; status: rows where it changed; "
        "speed: of rows/s"
    )
    table.caption = plain("")
    for line in (reading, *reasons):
        table.caption.append_text(plain(line)).append("\n")
    table.caption_justify = "left"
    return table


def _cells(figures: dict[str, Any]) -> list[str]:
    largest, mean = figures["largest_difference"], figures["mean_difference"]
    return [
        write_number(figures["rank_correlation"]),
        f"{100 * figures['top_share_overlap']:.0f} %",
        write_number(largest["miwv"]),
        write_number(mean["miwv"]),
        write_number(largest["losses"]),
        write_number(mean["losses"]),
        write_number(figures["changed_status"]),
        f"{figures['speed']:.2f}x",
    ]
