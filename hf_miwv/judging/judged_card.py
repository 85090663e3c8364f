"""The card (README.md) of a folder of verdicts, filled from its run.json and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import (
    NOT_RECORDED,
    command_block,
    markdown_environment,
    run_digest,
    shown_name,
    size_category,
)
from hf_miwv.judging.judged_record import JudgedRecord, Scores
from hf_miwv.judging.judged_summary import count_rows, write_interval

COLUMN_WORDS = {
    "id": "the prompt's id, where a file has one",
    "set": "the test set, where a file names it",
    "prompt": "what both systems were asked",
    "answer_a": "A's answer",
    "answer_b": "B's answer",
    "outcome": "win, tie or lose, as A sees it; null where not judged",
    "status": "judged, unparseable (a reply without readable scores) or refused",
    "a_first_score_a": "A's score, 1 to 10, with A shown first",
    "a_first_score_b": "B's score with A shown first",
    "b_first_score_a": "A's score with B shown first",
    "b_first_score_b": "B's score with B shown first",
    "a_first_replies": "all that the judge wrote with A shown first: two replies where it was asked again",
    "b_first_replies": "the same with B shown first",
    "refusal": "why the judge did not take the pair",
}


def write_judged_card(run: JudgedRecord, pictures: list[str], folder: Path) -> None:
    """Write README.md of a folder of verdicts.

    Args:
        run (`JudgedRecord`): The record (run.json).
        pictures (`list[str]`): Names of the PNGs that lie beside it.
        folder (`Path`): The folder.
    """
    text = render_judged_card(run, pictures)
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def render_judged_card(run: JudgedRecord, pictures: list[str]) -> str:
    """Render the card as text; run["timing"] is not used, so equal runs have equal cards.

    Args:
        run (`JudgedRecord`): The record (run.json).
        pictures (`list[str]`): Names of the PNGs that lie beside it.

    Returns:
        `str`: The card.
    """
    environment = markdown_environment()
    file_a, file_b = (run["answers"][name]["file"] for name in ("a", "b"))
    return environment.get_template("judged_card.md.jinja").render(
        run=run,
        pictures=pictures,
        front_matter=_front_matter(run),
        name_a=escape(file_a),
        name_b=escape(file_b),
        judge=escape(judge_name(run["judge"])),
        scores=_score_table(run["scores"]),
        counts=table(("", ""), count_rows(run["pairs"], run["scores"]["all"])),
        columns=table(("column", "what it holds"), COLUMN_WORDS.items()),
        how_made=table(("", ""), _made_rows(run)),
        command=command_block(run),
    )


def judge_name(judge: dict[str, Any]) -> str:
    """Name the model behind an endpoint as it was asked for, a local one as cards show it.

    Args:
        judge (`dict[str, Any]`): The judge's description in the record.

    Returns:
        `str`: The name.
    """
    if judge["kind"] == "endpoint":
        return str(judge["request"]["model"])
    return shown_name(judge["source"])


def _front_matter(run: JudgedRecord) -> str:
    from huggingface_hub import DatasetCardData

    content = DatasetCardData(
        pretty_name=f"{run['answers']['a']['file']} against {run['answers']['b']['file']}, judged",
        tags=["instruction-tuning", "llm-as-a-judge", "miwv"],
        size_categories=[size_category(run["scores"]["all"]["pairs"])],
        configs=[
            {
                "config_name": "judged",
                "description": f"run {run_digest(run)}",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    )
    return f"---\n{content.to_yaml()}\n---"


def _score_table(scores: Scores) -> str:
    rows = [
        [
            name,
            *map(write_number, (counts["judged"], counts["wins"], counts["ties"], counts["losses"])),
            write_number(counts["win_score"]),
            write_interval(counts),
        ]
        for name, counts in {"all": scores["all"], **scores["sets"]}.items()
    ]
    header = ("set", "judged", "wins", "ties", "losses", "win score", "95 % interval")
    return table(header, rows)


def _made_rows(run: JudgedRecord) -> list[tuple[str, Any]]:
    judge, answers = run["judge"], run["answers"]
    recorded = {
        **{
            f"{name.upper()}": f"{part['file']}, {write_number(part['rows'])} rows, SHA-256 {part['sha256']}"
            for name, part in answers.items()
        },
        "judge": judge_name(judge),
        **{
            f"judge {name.replace('_', ' ')}": value for name, value in judge.items() if name not in ("kind", "source")
        },
        "question SHA-256": run["prompt"]["sha256"],
        "protocol": run["prompt"]["protocol"],
        "versions": f"{run['package']['name']} {run['package']['version']}",
    }
    return [(words, NOT_RECORDED if value is None else value) for words, value in recorded.items()]
