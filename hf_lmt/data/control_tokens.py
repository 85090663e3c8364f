"""Texts that hold a control token such as `<|im_end|>` as text: encoded as what they show.

A tokenizer takes the letters `<|im_end|>` for the token that ends a turn, wherever they stand: a
source that holds them would end its own prompt, and whoever may give a source could write turns.
What a template writes is control, what rows hold is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.template_errors import apply_chat_template

_CONTROL: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()


def control_words(tokenizer: Any) -> tuple[str, ...]:
    """List the tokenizer's special tokens, as they are written.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer; asked once, then remembered.

    Returns:
        `tuple[str, ...]`: The tokens in alphabetical order, those that are only blanks left out.
    """
    known = _CONTROL.get(tokenizer)
    if known is None:
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        special = [str(token) for token in added if getattr(token, "special", False)]
        words = {*special, *map(str, tokenizer.all_special_tokens)}
        known = tuple(sorted(word for word in words if word.strip()))
        _CONTROL[tokenizer] = known
    return known


def holds_control(tokenizer: Any, texts: Iterable[str]) -> bool:
    """Check whether any of the texts holds a control token as text.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer whose special tokens are looked for.
        texts (`Iterable[str]`): The texts.

    Returns:
        `bool`: True where one of them does.
    """
    words = control_words(tokenizer)
    return any(word in text for text in texts for word in words)


def text_ids(tokenizer: Any, text: str, *, add_special_tokens: bool) -> list[int]:
    """Encode a text in which nothing is control.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        text (`str`): The text; a control token in it is encoded as the characters that it shows.
        add_special_tokens (`bool`): Whether the tokenizer puts its own tokens around the text.

    Returns:
        `list[int]`: (T,) token ids.
    """
    encoded = tokenizer(text, add_special_tokens=add_special_tokens, split_special_tokens=True, verbose=False)
    return list(encoded["input_ids"])


def conversation_ids(
    tokenizer: Any,
    turns: Sequence[Mapping[str, Any]],
    arguments: Mapping[str, Any] | None,
    *,
    add_generation_prompt: bool,
) -> list[int]:
    """Return (T,) ids of a conversation: the chat template's words are control, contents are text.

    The template is rendered with marks instead of contents, which part it into pieces.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): With a chat template.
        turns (`Sequence[Mapping[str, Any]]`): Each with `role` and `content`.
        arguments (`Mapping[str, Any] | None`): Further variables of the template.
        add_generation_prompt (`bool`): End with what begins the assistant's turn.

    Returns:
        `list[int]`: (T,) ids.

    Raises:
        InputError: The template changes contents otherwise than by trimming them, so that they
            cannot be told from its own words.
    """
    contents = [str(turn["content"]) for turn in turns]
    # From Unicode's private use area: no template writes these, and no tokenizer has a token for them.
    marks = [f"\ue000{index}\ue001" for index in range(len(turns))]
    settings = {
        "tokenize": False,
        "add_generation_prompt": add_generation_prompt,
        **(arguments or {}),
    }
    rendered = apply_chat_template(tokenizer, turns, **settings)
    marked = apply_chat_template(
        tokenizer,
        [{**turn, "content": mark} for turn, mark in zip(turns, marks, strict=True)],
        **settings,
    )
    pieces, rest = [], marked
    for mark in marks:
        before, separator, rest = rest.partition(mark)
        if not separator:
            raise _ambiguous_rendering(tokenizer, contents)
        pieces.append(before)
    pieces.append(rest)
    # Templates may trim contents. Either form has to give the rendering to the
    # letter, or the ids would not be those that training used.
    for texts in (contents, [text.strip() for text in contents]):
        if _joined(pieces, texts) == rendered:
            ids = []
            for piece, text in zip(pieces, [*texts, ""], strict=True):
                ids += tokenizer(piece, add_special_tokens=False, verbose=False)["input_ids"]
                ids += text_ids(tokenizer, text, add_special_tokens=False)
            return ids
    raise _ambiguous_rendering(tokenizer, contents)


def _joined(pieces: Sequence[str], texts: Sequence[str]) -> str:
    return "".join(part for piece_and_text in zip(pieces, [*texts, ""], strict=True) for part in piece_and_text)


def _ambiguous_rendering(tokenizer: Any, contents: Sequence[str]) -> InputError:
    word = next(
        control_word for control_word in control_words(tokenizer) if any(control_word in text for text in contents)
    )
    return InputError(
        f"a text holds {word!r}, which is a control token of this model, and the chat template "
        "changes texts, so that the two cannot be told apart; take such rows out (the curation "
        "step markup does), or give another chat template"
    )
