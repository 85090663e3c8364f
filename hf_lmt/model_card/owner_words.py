"""The part of a card that belongs to its reader: what stands between two markers is kept."""

from __future__ import annotations

import re

from hf_miwv.common.errors import InputError

BEGIN = "<!-- your words: begin (of this card, only what stands in here is kept) -->"
END = "<!-- your words: end -->"
_BEGIN, _END = re.compile(r"<!-- your words: begin\b.*?-->"), re.compile(re.escape(END))


def owner_words(card: str, name: str) -> str:
    """Return the text between the markers of a card, as it stands.

    Args:
        card (`str`): The card.
        name (`str`): Name of its file, for messages.

    Returns:
        `str`: The text; "" where there are no markers.

    Raises:
        InputError: one marker without the other, in the wrong order, or twice.
    """
    begins, ends = list(_BEGIN.finditer(card)), list(_END.finditer(card))
    if not begins and not ends:
        return ""
    if (len(begins), len(ends)) != (1, 1) or begins[0].end() > ends[0].start():
        raise InputError(
            f"{name}: what are your words cannot be told: {len(begins)} markers of their begin, "
            f"{len(ends)} of their end; leave {BEGIN} and {END} once each, in this order"
        )
    return card[begins[0].end() : ends[0].start()].strip("\n")


def marked(words: str) -> str:
    """Put the words between their markers.

    Args:
        words (`str`): The words; "" for none.

    Returns:
        `str`: The lines, without a line break at their end.
    """
    return "\n".join([BEGIN, *([words] if words else []), END])
