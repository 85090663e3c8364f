"""The shapes of a row: which columns hold the prompt, the response and what belongs to them.

Five shapes are known by their columns, tried in this order:

1. `alpaca`: `instruction`, `output` and, where the data set has them, `input`, `system`, `history`
2. `prompt_completion`: `prompt`, `completion`, both strings or both lists of turns, and `label`
3. `preference`: `chosen`, a string or a list of turns, and, where the data set has it, `prompt`
4. `messages`: `messages`, a list of turns
5. `conversations`: `conversations`, a list of turns

All take `tools`, `chat_template_kwargs` and a `system` prompt beside the turns.
Widespread data sets with other names (ALIASES) are known, too. Others say which of their columns
stand for these: `--columns prompt=question,...`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.column_names import ALIASES, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, STANDARD_NAMES

logger = logging.getLogger(__name__)

Status = Literal["ok", "empty_response", "not_finite", "demonstration_dropped", "unreadable"]
Flag = Literal[
    "demonstration_trimmed",
    "response_truncated",
    "duplicate_prompt",
    "duplicate_neighbor",
    "undesired_response",
    "in_target",
    "deita_unrated",
    "alpagasus_unrated",
]

SCORE_COLUMNS = (
    "row",
    "miwv",
    "loss_zero_shot",
    "loss_one_shot",
    "neighbor",
    "neighbor_similarity",
    "response_tokens",
    "miwv_status",
    "miwv_flags",
)
# Added only when asked for: by `--also METHOD`, and by `--keep-embeddings`.
ALSO_COLUMNS = {"ifd": "loss_response_alone", "superfiltering": "loss_response_bare"}
EMBEDDING_COLUMN = "prompt_embedding"
# Added by `--neighbors K` for K above 1.
NEIGHBORS_COLUMNS = ("miwv_spread", "neighbors", "losses_one_shot")
# Of the losses that there are anyway: added by `--also influence`, and with K above 1.
INFLUENCE = "influence"
INFLUENCE_COLUMNS = (INFLUENCE, "influence_diverse")
# Added by `--also kcenter`, `selectit`, `selectit_sentence`, `nuggets`, `deita` and `alpagasus`.
KCENTER, SELECTIT, SELECTIT_SENTENCE, NUGGETS = "kcenter", "selectit", "selectit_sentence", "nuggets"
DEITA, ALPAGASUS = "deita", "alpagasus"
FURTHER_COLUMNS = {
    KCENTER: ("kcenter_rank",),
    SELECTIT: ("selectit",),
    SELECTIT_SENTENCE: ("selectit", "selectit_sentence"),
    NUGGETS: ("nuggets", "nuggets_gain"),
    DEITA: (DEITA, "deita_complexity", "deita_quality"),
    ALPAGASUS: (ALPAGASUS,),
}
ALSO = (*ALSO_COLUMNS, INFLUENCE, *FURTHER_COLUMNS)  # the values of `--also`
# Added by `--demonstrations-from TARGET`.
TARGET_COLUMNS = ("target_gain", "target_neighbors")
REQUESTED_COLUMNS = (
    *NEIGHBORS_COLUMNS,
    *INFLUENCE_COLUMNS,
    *TARGET_COLUMNS,
    *ALSO_COLUMNS.values(),
    *dict.fromkeys(name for names in FURTHER_COLUMNS.values() for name in names),
    EMBEDDING_COLUMN,
)

# Taken only where the shape's required columns are not named by hand: `input` beside a mapped
# `instruction` may be anything.
IMPLIED = ("input",)
PROMPT_WORDS = ("prompt", "question", "query", "instruction", "input", "text", "source", "user")
RESPONSE_WORDS = ("completion", "response", "answer", "output", "target", "reply", "assistant")


@dataclass(frozen=True)
class Shape:
    """Name a known shape, and the columns that hold its parts.

    Attributes:
        name (`str`): A key of REQUIRED_COLUMNS.
        columns (`Mapping[str, str]`): Standard name -> column of the data set.
    """

    name: str
    columns: Mapping[str, str]


def parse_columns(text: str) -> dict[str, str]:
    """Read the value of `--columns`.

    Whether the names are known is for `recognize` to say.

    Args:
        text (`str`): Pairs NAME=COLUMN, with commas between them.

    Returns:
        `dict[str, str]`: Standard name -> column of the data set.

    Raises:
        InputError: a pair without name or column, or a name that stands there twice.

    >>> parse_columns("prompt=question,completion=answer")
    {'prompt': 'question', 'completion': 'answer'}
    """
    columns: dict[str, str] = {}
    for pair in text.split(","):
        name, _, column = (part.strip() for part in pair.partition("="))
        if not name or not column:
            raise InputError(
                f"--columns {text!r}: {pair.strip()!r} is not a pair NAME=COLUMN; "
                "write for example prompt=question,completion=answer"
            )
        if name in columns:
            raise InputError(f"--columns {text!r}: {name!r} is given twice; give each name once")
        columns[name] = column
    return columns


def recognize(
    column_names: Sequence[str],
    columns: Mapping[str, str] | None = None,
    sample: Mapping[str, Any] | None = None,
) -> Shape:
    """Find the first known shape whose columns are all among `column_names`.

    Args:
        column_names (`Sequence[str]`): Columns of the data set.
        columns (`Mapping[str, str]`, *optional*): Standard name -> column, where the data set has other names.
            Then only shapes with all these names count; standard names that are left out are looked up as
            they are, and the optional `input` only where neither `instruction` nor `output` is mapped.
        sample (`Mapping[str, Any]`, *optional*): A row, by which the message about an unknown shape advises.

    Returns:
        `Shape`: The shape.

    Raises:
        InputError: a standard name or column that does not exist, a column given for two names, or
            no shape that fits.
    """
    mapping = dict(columns or {})
    _check_mapping(column_names, mapping)
    shape = _fitting_shape(column_names, mapping)
    # A lone `chosen` fits the preference shape, but a widespread data set may have its prompt under another name.
    bare = shape is None or (shape.name == "preference" and "prompt" not in shape.columns)
    if bare and not mapping:
        shape = _alias(column_names) or shape
    if shape is None:
        raise InputError(_no_shape_message(column_names, mapping, sample))
    return shape


def unread_columns(shape: Shape, column_names: Iterable[str]) -> list[str]:
    """List the columns of a data set that are no part of prompt or response.

    Args:
        shape (`Shape`): The shape of the rows.
        column_names (`Iterable[str]`): Columns of the data set.

    Returns:
        `list[str]`: The columns that are not read, in their order.
    """
    return [name for name in column_names if name not in shape.columns.values()]


def _fitting_shape(column_names: Sequence[str], mapping: Mapping[str, str]) -> Shape | None:
    for shape, required in REQUIRED_COLUMNS.items():
        optional = OPTIONAL_COLUMNS[shape]
        if not mapping.keys() <= {*required, *optional}:
            continue
        # Standard names that are not mapped stand for themselves, so one mapping completes a shape.
        chosen = {name: mapping.get(name, name) for name in required}
        if not set(chosen.values()) <= set(column_names):
            continue
        unmapped = mapping.keys().isdisjoint(required)
        for name in optional:
            implied = name in column_names and (unmapped or name not in IMPLIED)
            if name in mapping or (implied and name not in chosen.values()):
                chosen[name] = mapping.get(name, name)
        return Shape(shape, chosen)
    return None


def _alias(column_names: Sequence[str]) -> Shape | None:
    """Return the shape of a widespread data set whose columns have other names, with a line in the log."""
    for alias in ALIASES:
        if set(alias.values()) <= set(column_names):
            pairs = ",".join(f"{name}={column}" for name, column in alias.items())
            logger.info("columns read as %s; --columns says otherwise", pairs)
            return _fitting_shape(column_names, alias)
    return None


def _check_mapping(column_names: Sequence[str], mapping: Mapping[str, str]) -> None:
    for name, column in mapping.items():
        if name not in STANDARD_NAMES:
            hint = did_you_mean(name, STANDARD_NAMES)
            raise InputError(f"--columns {name}={column}: {name!r} is no standard name; {hint}")
        if column not in column_names:
            raise InputError(
                f"--columns {name}={column}: the data set has no column {column!r}; "
                f"columns found: {', '.join(column_names)}"
            )
        twin = next((other for other in mapping if other != name and mapping[other] == column), None)
        if twin is not None:
            raise InputError(
                f"--columns {name}={column},{twin}={column}: the column {column!r} cannot be both "
                f"{name} and {twin}; give a column of its own to each. Where one text holds prompt "
                "and response together, divide it into two columns first"
            )


def _no_shape_message(
    column_names: Sequence[str], mapping: Mapping[str, str], sample: Mapping[str, Any] | None
) -> str:
    shapes = "; ".join(" + ".join(names) for names in REQUIRED_COLUMNS.values())
    pairs = ",".join(f"{name}={column}" for name, column in mapping.items())
    return (
        f"columns found: {', '.join(column_names)}"
        + (f" (with --columns {pairs})" if pairs else "")
        + f"; none of the known shapes has these. Known: {shapes}. "
        + _advice(column_names, sample or {})
    )


def _advice(column_names: Sequence[str], sample: Mapping[str, Any]) -> str:
    """Advise on a mapping that works when it is pasted, or, with one text alone, on how to get a second."""
    turns = [name for name in column_names if _holds_turns(sample.get(name))]
    if turns:
        return f"The nearest is messages: --columns messages={turns[0]}"
    texts = [name for name in column_names if isinstance(sample.get(name, ""), str)]
    if len(texts) < 2:
        name = texts[0] if texts else "text"
        return (
            "Prompt and response must be two columns: divide the text, for example "
            f"dataset.map(lambda row: dict(zip(['prompt', 'completion'], row[{name!r}].split("
            "MARK, 1)))) with the MARK that stands between them"
        )
    prompt = _nearest(PROMPT_WORDS, texts)
    response = _nearest(RESPONSE_WORDS, [name for name in texts if name != prompt])
    return (
        f"The nearest is prompt + completion: --columns prompt={prompt},completion={response} "
        "(see that these two are meant)"
    )


def _holds_turns(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, Mapping) and not first.keys().isdisjoint(("role", "from"))


def _nearest(words: Sequence[str], column_names: Sequence[str]) -> str:
    """Return the column whose name is, holds or resembles one of these words; else the first."""
    lower = {name.lower(): name for name in column_names}
    for word in words:
        containing = [name for name in lower if word in name]
        close = containing or get_close_matches(word, lower, n=1)
        if close:
            return lower[close[0]]
    return column_names[0]
