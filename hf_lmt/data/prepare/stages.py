"""The stages between sources and prompts; each leaves a file in the workspace, to go on from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets

from hf_lmt.data.corpora.load import load
from hf_lmt.data.curation.curate import curate
from hf_lmt.data.hashing import direction_column
from hf_lmt.data.method.auxiliary_sentences import AuxiliarySentences
from hf_lmt.data.method.multilingual_prompting import ADDED
from hf_lmt.data.method.scattered import ScatteredRows
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.limits import ORIGIN, cap_rows, weigh_rows
from hf_lmt.data.prepare.order import Ordered, order_rows
from hf_lmt.data.prepare.row_batches import BATCH, write_rows
from hf_lmt.data.prepare.stage_counts import count_rows
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.workspace import Workspace, is_sealed

INNER = ("line", ORIGIN)  # columns that are not written: they depend on where a row stood


@dataclass(frozen=True)
class Running:
    """Hold how a run goes: by how many processes, with bars or without, in which folder.

    Attributes:
        workspace (`Workspace`): Folder of the stages' files.
        num_proc (`int`): Processes, 1 or more.
        progress (`bool`): Show bars.
    """

    workspace: Workspace
    num_proc: int
    progress: bool

    def finished(self, name: str) -> Dataset | None:
        """Open the rows of a stage that an earlier run wrote.

        Args:
            name (`str`): Name of the stage.

        Returns:
            `Dataset | None`: The rows; None where no run wrote them.

        Raises:
            DamagedWorkError: the file is damaged.
        """
        path = self.workspace.folder / f"{name}.arrow"
        return Dataset.from_file(str(path)) if is_sealed(path) else None

    def write(self, name: str, size: int, part: Any, words: str) -> Dataset:
        """Write the rows of a stage, as `write_rows` does.

        Args:
            name (`str`): Name of the stage.
            size (`int`): Rows that it is made of.
            part (`Callable[[int, int], pa.Table]`): Makes the rows of a span.
            words (`str`): Description for the progress bar.

        Returns:
            `Dataset`: The rows.
        """
        path = self.workspace.folder / f"{name}.arrow"
        return write_rows(path, size, part, num_proc=self.num_proc, words=words, progress=self.progress)


@dataclass(frozen=True)
class Loaded:
    """Hold all rows as they were read, source after source, and in which order they will stand.

    Attributes:
        rows (`Dataset`): N rows.
        sizes (`list[int]`): Rows of each source.
        counts (`list[dict[str, Any]]`): Counts of reading each source.
        ordered (`Ordered`): The order, and a fingerprint for each source.
    """

    rows: Dataset
    sizes: list[int]
    counts: list[dict[str, Any]]
    ordered: Ordered


def load_sources(recipe: DataRecipe) -> Loaded:
    """Read the rows of every source in the asked directions.

    Args:
        recipe (`DataRecipe`): The recipe.

    Returns:
        `Loaded`: The rows.

    Raises:
        InputError: as `load.load`; a direction asked for by name is in no source.
    """
    parts, counts = zip(*(load(source, recipe.directions) for source in recipe.sources), strict=True)
    rows, sizes = concatenate_datasets(list(parts)), [len(part) for part in parts]
    row_counts = count_rows(rows)
    check_named(row_counts, recipe)
    return Loaded(rows, sizes, list(counts), order_rows(rows, sizes, recipe.seed))


def check_named(row_counts: Counter[str], recipe: DataRecipe) -> None:
    """Check that each direction that was asked for by name is in a source.

    Args:
        row_counts (`Counter[str]`): Rows by direction.
        recipe (`DataRecipe`): The recipe.

    Raises:
        InputError: one of them is in no source.
    """
    missing = [name for name in map(str, recipe.directions) if not row_counts[name]]
    if named := [name for name in map(str, recipe.named) if name in missing]:
        raise InputError(
            f"directions: {', '.join(sorted(named))}: asked for by name, and in no source; "
            f"add one, or take it off the list (there are: {', '.join(sorted(row_counts)[:12])}"
            f"{', ...' if len(row_counts) > 12 else ''})"
        )


def gather(loaded: Loaded, running: Running) -> None:
    """Write the stage "rows": all in their order, with `origin` and with auxiliary sentences joined.

    A row that lacks one gets a sentence from any row that was read, by the English or Chinese text. Where
    an earlier run wrote the stage, nothing is done.

    Args:
        loaded (`Loaded`): The rows as they were read.
        running (`Running`): How the run goes.
    """
    if running.finished("rows") is not None:
        return
    scattered, order = ScatteredRows(loaded.rows), loaded.ordered.order
    # Sources lie one after another, so that a row's position says which it is from.
    origins = np.searchsorted(np.cumsum(loaded.sizes), order, "right").astype(np.int16)
    joining = AuxiliarySentences(loaded.rows)

    def part(first: int, last: int) -> pa.Table:
        batch = join_sentences(scattered[order[first:last]], joining)
        return batch.append_column(ORIGIN, pa.array(origins[first:last]))

    running.write("rows", len(order), part, "joining rows")


def join_sentences(batch: pa.Table, joining: AuxiliarySentences) -> pa.Table:
    """Put auxiliary sentences into the rows of a batch that have none; null where there is none.

    Args:
        batch (`pa.Table`): B rows.
        joining (`AuxiliarySentences`): Where the sentences come from.

    Returns:
        `pa.Table`: The rows with them.
    """
    for name, texts in joining(batch).items():
        column = pa.array(texts, pa.string())
        column = pc.if_else(pc.equal(column, ""), None, column)  # the join writes "" where it has no sentence
        batch = batch.set_column(batch.column_names.index(name), name, column)
    return batch


@dataclass(frozen=True)
class Kept:
    """Hold the rows that are used, and what became of the others.

    Attributes:
        rows (`Dataset`): The rows.
        left (`dict[str, Counter[str]]`): Rows by direction after each stage.
        curation (`dict[str, Any]`, *optional*): The counts of `curate`; None without it.
        rejects (`Dataset`, *optional*): The rows that curation took, where they were asked for.
    """

    rows: Dataset
    left: dict[str, Counter[str]]
    curation: dict[str, Any] | None
    rejects: Dataset | None


def choose(recipe: DataRecipe, running: Running, keep_rejects: bool) -> Kept:
    """Take of the stage "rows" what weights, curation, caps and Strategic Downsampling leave, in this order.

    Args:
        recipe (`DataRecipe`): The recipe.
        running (`Running`): How the run goes, behind `gather`.
        keep_rejects (`bool`): Keep the rows that curation takes.

    Returns:
        `Kept`: The rows; those of an earlier run where it finished this stage.

    Raises:
        InputError: no row is left, or none of a direction asked for by name; which stage took how
            many is said.
    """
    choice = running.workspace.read_json("kept.json")
    if choice is None:
        choice = _choose(recipe, running, keep_rejects)
        running.workspace.write_json("kept.json", choice)
    kept = running.finished("kept")
    assert kept is not None  # noqa: S101  kept.json is written after it
    left = {stage: Counter(counts) for stage, counts in choice["left"].items()}
    return Kept(kept, left, choice["curation"], running.finished("rejects"))


def _choose(recipe: DataRecipe, running: Running, keep_rejects: bool) -> dict[str, Any]:
    rows = running.finished("rows")
    assert rows is not None  # noqa: S101  gather wrote it
    staying, curation = weigh_rows(rows, recipe.sources, recipe.seed), None
    left = {"read": count_rows(rows), "outside_weight": count_rows(rows, staying)}
    rows = _copy("weighted", rows, staying, running)
    if recipe.steps:
        curated = curate(rows, recipe.steps, keep_rejects=keep_rejects, progress=running.progress)
        rows, curation = curated.rows, curated.counts
        if curated.rejects is not None and len(curated.rejects):
            _copy("rejects", _outer(curated.rejects), None, running)
        del curated  # what is not mapped into memory any more, counts no more
    left["curated_away"] = count_rows(rows)
    staying = cap_rows(rows, recipe.sources, recipe.seed)
    # Without downsampling the caps are the last to take rows.
    left["capped"] = left["downsampled"] = count_rows(rows, staying)
    check_left(left, recipe)
    if recipe.downsampling is not None:
        rows = _copy("capped", rows, staying, running)
        staying = recipe.downsampling.kept(rows)
        left["downsampled"] = count_rows(rows, staying)
        check_left(left, recipe)
    _copy("kept", _outer(rows), staying, running, always=True)
    return {"left": left, "curation": curation}


def _outer(rows: Dataset) -> Dataset:
    return rows.remove_columns([name for name in INNER if name in rows.column_names])


def _copy(name: str, rows: Dataset, staying: np.ndarray | None, running: Running, always: bool = False) -> Dataset:
    """Return the rows where (N,) bool `staying` holds, on disk; where all do, only if `always` written."""
    if staying is not None and staying.all() and not always:
        return rows
    arrow = rows.with_format("arrow")

    def part(first: int, last: int) -> pa.Table:
        batch = arrow[first:last]
        return batch if staying is None else batch.filter(pa.array(staying[first:last]))

    return running.write(name, len(rows), part, f"writing {name} rows")


def check_left(left: dict[str, Counter[str]], recipe: DataRecipe) -> None:
    """Check that rows are left, also of each direction that was asked for by name.

    Args:
        left (`dict[str, Counter[str]]`): Rows by direction after each stage.
        recipe (`DataRecipe`): The recipe.

    Raises:
        InputError: none is left; the message has what took how many.
    """
    stages, last = list(left.items()), left["downsampled"]
    if not last.total():
        raise InputError(f"no row is left; {_taken(stages, None)}")
    for direction in sorted(recipe.named):
        rate = recipe.downsampling.rate_of(direction) if recipe.downsampling else 1.0
        count = recipe.downsampling.count_of(direction) if recipe.downsampling else None
        if not last[str(direction)] and rate > 0 and count != 0:
            raise InputError(
                f"directions: {direction}: asked for by name, and no row of it is left; "
                f"{_taken(stages, str(direction))}"
            )


def _taken(stages: list[tuple[str, Counter[str]]], name: str | None) -> str:
    """Say which stage took how many of all rows, or of a direction's."""
    sums = [(stage, counts[name] if name else counts.total()) for stage, counts in stages]
    taken = [
        f"{stage.replace('_', ' ')} {before - after:,}"
        for (_, before), (stage, after) in pairwise(sums)
        if before > after
    ]
    return f"of {sums[0][1]:,} read: {', '.join(taken)}"


def add_prompts(batch: pa.Table, recipe: DataRecipe) -> pa.Table:
    """Add prompt, completion and hinted to the rows of a batch.

    Args:
        batch (`pa.Table`): B rows.
        recipe (`DataRecipe`): The recipe.

    Returns:
        `pa.Table`: The rows with them.
    """
    added = recipe.prompting(batch)
    for name in (name for name in ADDED if name in added):
        batch = batch.append_column(name, pa.array(added[name]))
    return batch


def prompt(rows: Dataset, recipe: DataRecipe, running: Running) -> tuple[Dataset, Counter[str]]:
    """Write the stage "prompted": the rows with prompt, completion and hinted.

    Args:
        rows (`Dataset`): N rows.
        recipe (`DataRecipe`): The recipe, with its prompt and share of hints.
        running (`Running`): How the run goes.

    Returns:
        `tuple[Dataset, Counter[str]]`: N rows, and the hinted ones by direction.
    """
    arrow = rows.with_format("arrow")

    def part(first: int, last: int) -> pa.Table:
        return add_prompts(arrow[first:last], recipe)

    prompted = running.write("prompted", len(rows), part, "prompts")
    hinted: Counter[str] = Counter()
    columns = ["source_lang", "target_lang", "hinted"]
    for batch in prompted.select_columns(columns).with_format("arrow").iter(BATCH):
        hinted.update(direction_column(batch.filter(batch["hinted"])).to_pylist())
    return prompted, hinted
