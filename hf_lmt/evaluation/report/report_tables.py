"""Evaluations on the terminal: groups x measures, several systems side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.judgeable import COMET_METRICS
from hf_lmt.evaluation.metrics.normal_forms import not_nfc_lines
from hf_lmt.evaluation.report.report_figures import (
    COLUMN_TITLES,
    described,
    is_rate,
    measures_of,
    missing_reasons,
    names_of,
    silent_words,
    title_of,
)
from hf_miwv.common.cards.numbers import write_some
from hf_miwv.common.cards.terminal import LEAST_WIDTH, new_table, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = 8  # of figures in one table
NAMED = 8  # directions that a note names


class Cell(NamedTuple):
    """Hold a cell of a table.

    Attributes:
        text (`str`): A group's figure.
        note (`str`): What is to be known of it; empty where there is nothing.
    """

    text: str
    note: str


def show_report(evaluations: Sequence[Evaluation], console: Console | None = None) -> None:
    """Print a table for each measure kind, and what the figures leave out.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several, side by side.
        console (`Console`, *optional*): Where to print; stdout by default.
    """
    from rich.console import Console

    console = console or Console()
    if not console.is_terminal:
        console.width = max(LEAST_WIDTH, console.width)
    names = names_of(evaluations)
    for name, evaluation in zip(names, evaluations, strict=True):
        about = described(evaluation)
        console.print(plain(f"{name}: {about['model']} on {about['set']}"))
    measures = measures_of(evaluations)
    scores = [name for name in measures if not is_rate(name)]
    rates = [name for name in measures if is_rate(name) and _shows(evaluations, name)]
    each = max(1, COLUMNS // len(evaluations))
    for title, kind in (("scores: means over directions", scores), ("% of lines", rates)):
        for start in range(0, len(kind), each):
            console.print(_table(title, evaluations, names, kind[start : start + each]))
    if silent := silent_words(evaluations):
        console.print(silent)
    paper = paper_table(evaluations)
    if paper is not None:
        console.print(paper)
    if any("*" in cell.text for _, rows in group_cells(evaluations, scores) for row in rows for cell in row):
        console.print("* some directions of the group are missing")
    for note in notes_of(evaluations):
        console.print(plain(note))


def group_cells(evaluations: Sequence[Evaluation], measures: Sequence[str]) -> list[tuple[str, list[list[Cell]]]]:
    """Make the cells of the groups that any of the evaluations has.

    Args:
        evaluations (`Sequence[Evaluation]`): E of them.
        measures (`Sequence[str]`): M names of measures.

    Returns:
        `list[tuple[str, list[list[Cell]]]]`: (group in words, M lists of E cells) of each group.
    """
    groups = dict.fromkeys(name for evaluation in evaluations for name in evaluation.scores["groups"])
    return [
        (group_words(group), [[_cell(evaluation, group, name) for evaluation in evaluations] for name in measures])
        for group in groups
    ]


def group_words(group: str) -> str:
    """Describe a group in words.

    >>> group_words("x2zh/low")
    'X→zh low'

    Args:
        group (`str`): Name of the group, as in scores.json.

    Returns:
        `str`: The words.
    """
    column, _, tier = group.partition("/")
    return " ".join(filter(None, (COLUMN_TITLES[column], tier)))


def paper_table(evaluations: Sequence[Evaluation]) -> Table | None:
    """Tabulate the paper's own models in the same directions (arXiv 2511.07003).

    Args:
        evaluations (`Sequence[Evaluation]`): One or several, of one set.

    Returns:
        `Table | None`: BLEU and COMET of each size; None where the set is another.
    """
    groups = evaluations[0].scores["groups"]
    rows = {name: group_figures["paper"] for name, group_figures in groups.items() if group_figures["paper"]}
    if not rows:
        return None
    sizes = list(next(iter(rows.values())))
    heads = [f"{metric.upper()} {size}" for metric in ("bleu", "comet") for size in sizes]
    table = new_table("LMT-60 as arXiv 2511.07003 reports it", "", *heads)
    table.padding = (0, 0)
    for name, paper in rows.items():
        table.add_row(
            group_words(name), *(f"{paper[size][metric]:.1f}" for metric in ("bleu", "comet") for size in sizes)
        )
    return table


def notes_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """List marks, missing directions with their reasons, and what the means leave out.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.

    Returns:
        `list[str]`: Lines to print below the tables.
    """
    lines = []
    for name, evaluation in zip(names_of(evaluations), evaluations, strict=True):
        lines += [f"{name} is marked: {mark}" for mark in evaluation.scores["marks"]]
        lines += [
            f"{name}: {_count(where)} missing ({write_some(where, NAMED)}): {reason}"
            for reason, where in missing_reasons(evaluation).items()
        ]
        lines += [f"{name}: {line}" for line in not_nfc_lines(evaluation.scores)]
        lines += _apart(name, evaluation)
    return lines


def _shows(evaluations: Sequence[Evaluation], rate: str) -> bool:
    """Check whether any output of any of them shows it."""
    return any(
        direction_figures["behavior"].get(rate, {"count": 0})["count"]
        for evaluation in evaluations
        for direction_figures in evaluation.scores["directions"].values()
    )


def _apart(name: str, evaluation: Evaluation) -> list[str]:
    overall = evaluation.scores["groups"].get("overall", {"scores": {}})
    return [
        f"{name}: ~ {title_of(metric)} is unreliable in {_count(score['apart'])}, left out "
        f"of means: {write_some(score['apart'], NAMED)}"
        for metric, score in overall["scores"].items()
        if score["apart"]
    ]


def words_for(marks: Sequence[str]) -> str:
    """Return the words in a table's title about the marks that stand below it.

    Args:
        marks (`Sequence[str]`): The marks of an evaluation.

    Returns:
        `str`: The words, a blank before them; empty without marks.
    """
    if any(mark.startswith("CONTAMINATED") for mark in marks):
        return " (CONTAMINATED, see below)"
    return " (marked, see below)" if marks else ""


def _table(title: str, evaluations: Sequence[Evaluation], names: Sequence[str], measures: Sequence[str]) -> Table:
    marks = [mark for evaluation in evaluations for mark in evaluation.scores["marks"]]
    several = len(evaluations) > 1
    heads = [f"{title_of(measure)} {name}" if several else title_of(measure) for measure in measures for name in names]
    table = new_table(title + words_for(marks), "")
    table.show_header = True
    table.padding = (0, 0)
    for head in heads:
        table.add_column(plain(head), justify="right", min_width=6, max_width=16)
    for group, cells in group_cells(evaluations, measures):
        texts = [cell.text for row in cells for cell in row]
        if any(text != "–" for text in texts):
            table.add_row(group, *texts)
    return table


def _cell(evaluation: Evaluation, group: str, measure: str) -> Cell:
    group_figures: dict[str, Any] = evaluation.scores["groups"].get(group, {"scores": {}, "behavior": {}})
    if is_rate(measure):
        rate = group_figures["behavior"].get(measure)
        if rate is None or rate["value"] is None:
            return Cell("–", "not measured")
        return Cell(_percent(100 * rate["value"]), f"{rate['count']:,} of {rate['rows']:,} lines")
    mean = group_figures["scores"].get(measure)
    if mean is None:
        return Cell("–", "not measured")
    notes = [f"{mean['count']} directions"]
    if mean["apart"]:
        notes.append(f"without {len(mean['apart'])} where it is unreliable")
    if mean["missing"]:
        notes.append(f"{len(mean['missing'])} missing")
    if mean["mean"] is None:
        return Cell("–", "; ".join(notes))
    digits = 3 if measure in COMET_METRICS else 1
    before, behind = "~" if mean["apart"] else "", "*" if mean["missing"] else ""
    return Cell(f"{before}{mean['mean']:.{digits}f}{behind}", "; ".join(notes))


def _percent(value: float) -> str:
    if value == 0 or value >= 9.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.1 else "<0.1"


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} direction{'' if len(names) == 1 else 's'}"
