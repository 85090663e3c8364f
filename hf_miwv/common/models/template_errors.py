"""Why a Jinja template failed, and in which of its lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from traceback import walk_tb
from typing import Any

import jinja2

from hf_miwv.common.errors import InputError

COMPILED = ("<template>", "<unknown>")  # what jinja2 calls the file of a template made of a string


class ChatTemplateError(InputError):
    """A chat template that cannot be compiled, or fails on a conversation."""


def template_line(error: BaseException) -> int | None:
    """Find the line of the template, from 1, in which an error arose; None where it names none.

    jinja2 rewrites tracebacks so that the frames of a template have its own lines.

    Args:
        error (`BaseException`): The error of rendering or compiling.

    Returns:
        `int | None`: The line.
    """
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.lineno
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename in COMPILED]
    return lines[-1] if lines else None


def template_fault(error: BaseException) -> str | None:
    """Say in a line why a template failed and where.

    Args:
        error (`BaseException`): The error of rendering or compiling; not only jinja2's own errors, because a
            template can divide by zero, index past an end, or call itself without end.

    Returns:
        `str | None`: The line; None for an error that is no template's.
    """
    line = template_line(error)
    if line is None and not isinstance(error, jinja2.TemplateError):
        return None
    words = next(iter(str(error).strip().splitlines()), "")
    if not isinstance(error, jinja2.TemplateError):
        words = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return words if line is None else f"{words} (line {line} of the template)"


def apply_chat_template(tokenizer: Any, turns: Sequence[Mapping[str, Any]], **arguments: Any) -> Any:
    """Call the tokenizer's `apply_chat_template`, with the template's own faults told as input.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer with the template.
        turns (`Sequence[Mapping[str, Any]]`): The conversation.
        **arguments (`Any`): Further arguments of `apply_chat_template`.

    Returns:
        `Any`: The rendered text, or token ids.

    Raises:
        ChatTemplateError: the template is none, or fails on these turns.
    """
    try:
        return tokenizer.apply_chat_template(list(turns), **arguments)
    except Exception as error:
        fault = template_fault(error)
        if fault is None:
            raise
        raise ChatTemplateError(f"the chat template fails: {fault}; mend the template, or give another one") from error
