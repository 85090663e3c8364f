"""The prompt of a row that is to be answered, or was: which column holds it, and the row's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.kinds import describe
from hf_miwv.rows.examples import Example

PROMPT_COLUMNS = ("instruction", "prompt", "text", "question")  # the first with a value counts
SET_COLUMNS = ("set", "source")


def read_question(row: Mapping[str, Any], location: str) -> Example:
    """Read the prompt of a row, from `instruction` (with `input`), `prompt`, `text` or `question`.

    Args:
        row (`Mapping[str, Any]`): The row, by column.
        location (`str`): File and row, for messages.

    Returns:
        `Example`: The prompt, without a response.

    Raises:
        InputError: none of these columns, or it is not text, or empty.
    """
    name = next((name for name in PROMPT_COLUMNS if row.get(name) is not None), None)
    if name is None:
        raise InputError(
            f"{location}: no prompt; give it as one of {', '.join(PROMPT_COLUMNS)} "
            f"(found: {', '.join(row) or 'nothing'})"
        )
    more = row.get("input") if name == "instruction" else None
    for column, value in ((name, row[name]), ("input", more or "")):
        if not isinstance(value, str):
            raise InputError(f"{location}: column {column!r} must be a string, found {describe(value)}")
    if not row[name].strip() and not (more or "").strip():
        raise InputError(f"{location}: column {name!r} is empty; remove the row, or give its prompt")
    return Example(instruction=row[name], input=more or "", turns=None, response="")


def read_label(row: Mapping[str, Any], names: tuple[str, ...], location: str) -> str | None:
    """Read the first of these columns that has a value, as text (an id, a test set's name).

    Args:
        row (`Mapping[str, Any]`): The row, by column.
        names (`tuple[str, ...]`): The columns.
        location (`str`): File and row, for messages.

    Returns:
        `str | None`: The text; None where no column has a value.

    Raises:
        InputError: the value is neither a string nor a whole number.
    """
    value = next((row[name] for name in names if row.get(name) is not None), None)
    if value is None or isinstance(value, (str, int)):
        return None if value is None else str(value)
    raise InputError(
        f"{location}: column {' or '.join(names)} must be a string or a whole number, found {describe(value)}"
    )
