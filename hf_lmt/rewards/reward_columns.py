"""The input of a reward: completions as texts, and the columns of their rows, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from hf_miwv.common.errors import InputError

Completion: TypeAlias = str | Sequence[dict[str, Any]]
"""A text, or the messages that a model wrote to a conversation."""
Reward: TypeAlias = Callable[..., list[float]]
"""completions and columns -> a value for each completion, as TRL's GRPOTrainer calls it."""


def completion_texts(completions: Sequence[Completion]) -> list[str]:
    """Return the texts of completions.

    Args:
        completions (`Sequence[Completion]`): (N,) texts, or lists of messages, of which the last one's content
            is the text: a text itself, parts of type "text", or None, which is an empty text.

    Returns:
        `list[str]`: (N,) texts.

    Raises:
        InputError: They are one text instead of a list, or one of them has another shape.
    """
    if isinstance(completions, str):
        raise InputError("completions are one text: give a list, a completion for each row")
    return [_text(completion, row) for row, completion in enumerate(completions)]


def check_columns(reward: str, count: int, **columns: Sequence[Any] | None) -> None:
    """Check that each column is there, holds texts, and has one for each completion.

    Args:
        reward (`str`): Name of the reward, for the message.
        count (`int`): Number of completions.
        **columns (`Sequence[Any]`, *optional*): The columns that the reward reads; None for one that is missing.

    Raises:
        InputError: a column is missing, holds something else, or has another length.
    """
    for name, values in columns.items():
        if values is None:
            raise InputError(
                f"reward {reward} reads the column {name!r}, which the rows do not have; rows of hf-lmt prepare have "
                "source, target, source_lang and target_lang. Keep the column, or take another reward"
            )
        if isinstance(values, str) or len(values) != count:
            size = "one text" if isinstance(values, str) else f"{len(values):,} values"
            raise InputError(f"reward {reward}: column {name!r} has {size} for {count:,} completions; give one each")
        wrong = next((row for row, value in enumerate(values) if not isinstance(value, str)), None)
        if wrong is not None:
            raise InputError(f"reward {reward}: column {name!r} holds {values[wrong]!r} in row {wrong}, not a text")


def _text(completion: Any, row: int) -> str:
    if isinstance(completion, str):
        return completion
    try:
        content = completion[-1]["content"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        if content is None or isinstance(content, str):
            return content or ""
    except (KeyError, IndexError, TypeError):
        pass
    raise InputError(
        f"completion {row} is {str(completion)[:80]!r}: give a text, or messages such as "
        '[{"role": "assistant", "content": text}]'
    )
