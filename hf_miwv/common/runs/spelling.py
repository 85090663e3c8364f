"""Read what earlier versions spelled otherwise: keys of records, identities and scores."""

from __future__ import annotations

from typing import Any

WORDS = {"licence": "license", "behaviour": "behavior", "neighbour": "neighbor", "normalised": "normalized"}
KEYS = ("licence", "behaviour", "neighbour search", "duplicate neighbours")
VALUES = ("signature",)  # keys whose text is respelled, too: signatures are compared


def respelled(value: Any) -> Any:
    """Give JSON that an earlier version wrote the words that it has today.

    Args:
        value (`Any`): What was read: an object, a list or a plain value.

    Returns:
        `Any`: The same with today's keys, and with today's words in signatures.
    """
    if isinstance(value, dict):
        return {
            _american(name) if name in KEYS else name: _american(part) if name in VALUES else respelled(part)
            for name, part in value.items()
        }
    return [respelled(part) for part in value] if isinstance(value, list) else value


def _american(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    for earlier, word in WORDS.items():
        text = text.replace(earlier, word)
    return text
