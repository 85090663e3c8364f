"""Scored rows in words: what the page says of the data set, of a row in its table, of one row."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import numpy as np

from hf_miwv.app.row_pictures import histogram_image
from hf_miwv.app.scored_rows import ScoredRows
from hf_miwv.common.cards.numbers import write_number, write_share
from hf_miwv.common.cards.parts import data_name, shown_name
from hf_miwv.common.errors import InputError

HEADERS = (
    "row",
    "MIWV",
    "zero-shot",
    "one-shot",
    "neighbor",
    "cosine",
    "tokens",
    "status",
    "flags",
    "prompt",
)
SHOWN = 160  # characters of a prompt in the table


class RowView(NamedTuple):
    """Hold the view of one row, in the order of the page.

    Attributes:
        title (`str`): HTML.
        prompt (`str`): Text as it stands in the data.
        response (`str`): Text as it stands in the data.
        neighbor_title (`str`): HTML.
        neighbor_prompt (`str`): Text as it stands in the data.
        neighbor_response (`str`): Text as it stands in the data.
        facts (`str`): HTML.
        picture (`str`): HTML.
    """

    title: str
    prompt: str
    response: str
    neighbor_title: str
    neighbor_prompt: str
    neighbor_response: str
    facts: str
    picture: str


def introduction(rows: ScoredRows) -> str:
    """Return an introduction to the rows, as HTML.

    Args:
        rows (`ScoredRows`): All rows.

    Returns:
        `str`: HTML.
    """
    scored = int(rows.columns.scored.sum())
    sentences = [f"{len(rows):,} rows, {write_share(scored, len(rows))} with a score"]
    if rows.run.get("data"):
        sentences.append(f"data: {data_name(rows.run)}")
    if rows.run.get("model"):
        sentences.append(f"scored with {shown_name(rows.run['model']['source'])}")
    return (
        f"<h2>{escape(shown_name(rows.name))}</h2><p>{escape('; '.join(sentences))}.</p>"
        "<p>MIWV is the model's loss on the response behind the nearest other row as a worked "
        "example, less its loss without, in nats per response token. <b>High = weak = keep</b>, says "
        "the paper: the example did not help, so the row has something to teach; or the model knew the row, and the "
        "example disturbed it.</p>"
    )


def table_row(rows: ScoredRows, position: int) -> list[Any]:
    """Return a row of the table, under HEADERS.

    Args:
        rows (`ScoredRows`): All rows.
        position (`int`): Position of the row.

    Returns:
        `list[Any]`: A cell for each of HEADERS.
    """
    columns = rows.columns
    neighbor = int(columns.neighbor[position])
    prompt = " ".join(rows.read(position).bare_prompt.split())
    return [
        int(columns.row[position]),
        *(_number(values[position]) for values in (columns.miwv, columns.loss_zero_shot, columns.loss_one_shot)),
        f"{neighbor}" if neighbor >= 0 else "–",
        _number(columns.neighbor_similarity[position]),
        int(columns.response_tokens[position]),
        columns.status[position],
        ", ".join(columns.flags[position]),
        prompt if len(prompt) <= SHOWN else prompt[: SHOWN - 1] + "…",
    ]


def view_row(rows: ScoredRows, row: int) -> RowView:
    """Return the view of the row with this number.

    Args:
        rows (`ScoredRows`): All rows.
        row (`int`): Number of the row in the data that was scored.

    Returns:
        `RowView`: The view.

    Raises:
        InputError: there is no such row.
    """
    position = _position(rows, row)
    example = rows.read(position)
    return RowView(
        f"<h3>Row {row:,}</h3>",
        example.bare_prompt,
        example.shown_response,
        *_neighbor(rows, position),
        _facts(rows, position),
        _picture(rows, position),
    )


def neighbor_of(rows: ScoredRows, row: int) -> int:
    """Return the number of a row's neighbor.

    Args:
        rows (`ScoredRows`): All rows.
        row (`int`): Number of the row in the data that was scored.

    Returns:
        `int`: Number of the neighbor.

    Raises:
        InputError: there is no such row, or it has no neighbor.
    """
    neighbor = int(rows.columns.neighbor[_position(rows, row)])
    if neighbor < 0:
        raise InputError(f"row {row} has no neighbor")
    return neighbor


def _position(rows: ScoredRows, row: int) -> int:
    position = rows.position_of(row)
    if position is None:
        numbers = rows.columns.row
        gaps = "" if len(rows) == numbers.max() + 1 else ", with gaps"
        raise InputError(f"no row {row} here; they are numbered {numbers.min()} to {numbers.max()}{gaps}")
    return position


def _neighbor(rows: ScoredRows, position: int) -> tuple[str, str, str]:
    """Return title, prompt and response of a row's neighbor."""
    number = int(rows.columns.neighbor[position])
    if number < 0:
        return "<h3>No neighbor</h3>", "", ""
    similarity = _number(rows.columns.neighbor_similarity[position])
    title = f"Its neighbor, the worked example: row {number:,} (cosine {similarity})"
    neighbor_position = rows.position_of(number)
    if neighbor_position is None:
        return f"<h3>{title}</h3><p>It is not among the rows of this folder.</p>", "", ""
    example = rows.read(neighbor_position)
    return f"<h3>{title}</h3>", example.bare_prompt, example.shown_response


def _facts(rows: ScoredRows, position: int) -> str:
    columns, rank = rows.columns, rows.rank(position)
    facts = {
        "loss without the example (zero-shot)": _number(columns.loss_zero_shot[position]),
        "loss behind the example (one-shot)": _number(columns.loss_one_shot[position]),
        "MIWV": f"<b>{_number(columns.miwv[position])}</b>",
        "place": f"{rank.rank:,} of {rank.scored:,}, highest first" if rank else "–",
        "response tokens": f"{columns.response_tokens[position]:,}",
        "status": escape(columns.status[position]),
        "flags": escape(", ".join(columns.flags[position])) or "none",
    }
    lines = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in facts.items())
    return f'<table class="facts">{lines}</table><p>{_meaning(float(columns.miwv[position]))}</p>'


def _meaning(miwv: float) -> str:
    if np.isnan(miwv):
        return "The row has no score; its status says why, and it is never chosen."
    if miwv > 0:
        return "Behind the worked example the model does worse on this response: weak."
    return "Behind the worked example the model does better on this response, or as well."


def _picture(rows: ScoredRows, position: int) -> str:
    miwv, scored = rows.columns.miwv, rows.columns.scored
    if not scored[position]:
        return ""
    return histogram_image(miwv[scored], float(miwv[position]), int(rows.columns.row[position]))


def _number(value: float) -> str:
    return write_number(float(value) if np.isfinite(value) else None).replace("-", "−")
