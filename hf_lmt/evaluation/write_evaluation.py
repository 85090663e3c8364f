"""An evaluation's folder, there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.direction_scores import Judged
from hf_lmt.evaluation.evaluated_record import EvaluatedRecord
from hf_lmt.evaluation.evaluation_folder import (
    HYPOTHESES,
    RUN,
    SCORES,
    STATISTICS,
    TABLE,
    SentenceCounts,
    write_counts,
)
from hf_lmt.evaluation.evaluation_plan import Plan
from hf_lmt.evaluation.report.write_report import write_report
from hf_lmt.evaluation.results.evaluation_card import write_evaluation_card
from hf_lmt.evaluation.results.score_files import as_csv
from hf_miwv.common.runs.folder import put_in_place
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace

HINT_COLUMNS = ("hint_lang", "hint", "hint_dropped")

Rows = Mapping[Direction, Sequence[Mapping[str, Any]]]


def write_evaluation(
    output: Path,
    workspace: Workspace,
    run: EvaluatedRecord,
    scores: dict[str, Any],
    rows: Rows,
    judged: Sequence[Judged],
    plan: Plan,
) -> None:
    """Write all that `evaluation_folder` lists; an earlier `output` goes with the workspace.

    Args:
        output (`Path`): The folder to write.
        workspace (`Workspace`): The run's workspace.
        run (`EvaluatedRecord`): The content of run.json.
        scores (`dict[str, Any]`): The content of scores.json.
        rows (`Rows`): {direction: the rows of its hypotheses}.
        judged (`Sequence[Judged]`): The figures and counts of each direction.
        plan (`Plan`): The plan of the evaluation, of which the lines count.
    """
    hinted = any(
        row["hint_lang"] or row["hint_dropped"] for rows_of_direction in rows.values() for row in rows_of_direction
    )

    def fill(draft: Path) -> None:
        for name in (HYPOTHESES, STATISTICS):
            (draft / name).mkdir()
        for judged_direction in judged:
            lines = _lines(
                judged_direction, rows[judged_direction.direction], plan.lines[judged_direction.direction].ids, hinted
            )
            path = draft / HYPOTHESES / f"{judged_direction.direction}.jsonl"
            path.write_text("".join(lines), "utf-8", newline="\n")
            write_counts(draft / STATISTICS / f"{judged_direction.direction}.npz", judged_direction.counts)
        for name, content in ((RUN, run), (SCORES, scores)):
            text = json_text(content, indent=2)
            (draft / name).write_text(text + "\n", "utf-8")
        (draft / TABLE).write_text(as_csv(scores), "utf-8", newline="\n")
        write_evaluation_card(run, scores, draft)
        write_report(draft)

    put_in_place(output, workspace, fill)


def _lines(
    judged_direction: Judged, rows: Sequence[Mapping[str, Any]], ids: Sequence[str], hinted: bool
) -> Iterator[str]:
    flags = _flag_words(judged_direction.counts)
    for index, (row_id, row) in enumerate(zip(ids, rows, strict=True)):
        columns = {
            "id": row_id,
            "source_lang": judged_direction.direction.source,
            "target_lang": judged_direction.direction.target,
            "hypothesis": row["hypothesis"],
            "status": row["status"],
            "tokens": row["tokens"],
            "flags": flags[index],
        }
        if hinted:
            columns |= {name: row[name] for name in HINT_COLUMNS}
        yield json_text(columns) + "\n"


def _flag_words(counts: SentenceCounts) -> list[str]:
    """Name the rates that count each row, with blanks between."""
    return [
        " ".join(name for name, flags in counts.flags.items() if flags[index])
        for index in range(len(counts.has_source))
    ]
