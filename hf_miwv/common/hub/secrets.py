"""Tokens and keys in files, by their whole patterns, in any encoding that text has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

BLOCK = 1 << 20  # bytes read at once
LONGEST = 1 << 10  # bytes that a secret may have, in UTF-16
ARRAYS = (".safetensors", ".parquet", ".arrow", ".png", ".npz", ".npy", ".gz", ".zst", ".gguf")
"""Files of numbers or of rows, which can be huge: only tokens of the Hub are looked for in them."""


class Secret(NamedTuple):
    """Say how a kind of secret is recognized.

    Attributes:
        words (`str`): Its name in the message.
        literal (`str`): A literal that is quick to look for.
        pattern (`re.Pattern[str]`): All of it.
    """

    words: str
    literal: str
    pattern: re.Pattern[str]


# Each ends and begins at a boundary: "task-..." holds no key, nor does a longer word "hf_..." of a
# program. Lengths are those of keys that are given out: names in CSS ("sk-toggleable") pass.
SECRETS = (
    Secret(
        "a token of the Hub", "hf_", re.compile(r"(?<![A-Za-z0-9])hf_(?:[a-z]+_)?[A-Za-z0-9]{20,}(?![A-Za-z0-9_])")
    ),
    Secret("a private key", "-----BEGIN ", re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")),
    Secret(
        "a key of an interface (sk-...)",
        "sk-",
        re.compile(
            r"(?<![A-Za-z0-9_-])sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}"
            r"|ant-[a-z0-9]+-[A-Za-z0-9_-]{40,}|or-v1-[0-9a-f]{64}"
            r"|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32,})(?![A-Za-z0-9_-])"
        ),
    ),
    Secret(
        "a key of Amazon's cloud (AKIA...)", "AKIA", re.compile(r"(?<![A-Za-z0-9])AKIA[A-Z2-7]{16}(?![A-Za-z0-9])")
    ),
)


def find_secret(path: Path, token: str | None) -> str | None:
    """Find the first secret that a file holds.

    Looked for as bytes, whatever the file is: as UTF-8 and as UTF-16 of both byte orders. What is
    compressed is not unpacked. In `ARRAYS` only tokens of the Hub are looked for.

    Args:
        path (`Path`): The file.
        token (`str`, *optional*): A text that must not be in it either, whatever it looks like: the token in
            use.

    Returns:
        `str | None`: The words for it; None where the file holds none.
    """
    secrets = SECRETS[:1] if path.suffix.lower() in ARRAYS else SECRETS
    with open(path, "rb") as file:
        tail = b""
        while block := file.read(BLOCK):
            # A secret may lie across the border of two blocks.
            content = tail + block
            if words := _secret_in(content, token, secrets):
                return words
            tail = content[-LONGEST:]
    return None


def _secret_in(content: bytes, token: str | None, secrets: Sequence[Secret]) -> str | None:
    if token and any(_occurrences(content, token)):
        return SECRETS[0].words
    for secret in secrets:
        for text in _occurrences(content, secret.literal):
            if secret.pattern.search(text):
                return secret.words
    return None


def _occurrences(content: bytes, literal: str) -> Iterator[str]:
    """Yield the text around each occurrence of a literal, from the letter before it."""
    narrow = literal.encode()
    # both byte orders have these bytes in common: h 0 f 0 _
    wide = literal.encode("utf-16-le")[:-1]
    start = content.find(narrow)
    while start >= 0:
        yield content[max(0, start - 1) : start + LONGEST // 2].decode("latin-1")
        start = content.find(narrow, start + 1)
    start = content.find(wide)
    while start >= 0:
        # UTF-16 of either order is every second byte: the letters, from the one before
        yield content[max(start % 2, start - 2) : start + LONGEST : 2].decode("latin-1")
        start = content.find(wide, start + 1)
