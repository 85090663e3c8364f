"""Finished texts on disk, by what they were made from: so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.translation.requests import Status
from hf_miwv.common.errors import InputError

FILE = "translations.sqlite"
ASK = 500  # keys in a query

Entry = tuple[str, Status, int]  # text, status, tokens


class Store:
    """Hold texts by key, in one SQLite file to which rows are only ever added.

    A key is a hash of the model's weights, the token ids of the prompt, and how it was decoded, so
    an entry holds wherever its key comes up again: another prompt, model or cap is another key. An
    `add` is on the disk as a whole or not at all, also after `kill -9`.

    Args:
        folder (`Path`): Folder of the file, made where it is not there.

    Raises:
        InputError: the folder cannot be written, or holds something else under this name.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(folder / FILE, check_same_thread=False)
            with self._connection:
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS texts "
                    "(key BLOB PRIMARY KEY, text TEXT, status TEXT, tokens INTEGER) WITHOUT ROWID"
                )
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"--work {folder} cannot be used ({error}); give another folder") from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """Look up the entries of some keys.

        Args:
            keys (`Sequence[bytes]`): The keys.

        Returns:
            `dict[bytes, tuple[str, Status, int]]`: Text, status and tokens by key, of those keys that have an entry.
        """
        entries: dict[bytes, Entry] = {}
        # In parts, because SQLite limits the variables of a query.
        for start in range(0, len(keys), ASK):
            part = keys[start : start + ASK]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, text, status, tokens FROM texts WHERE key IN ({marks})"  # noqa: S608
            entries |= {row[0]: row[1:] for row in self._connection.execute(query, part)}
        return entries

    def add(self, entries: Mapping[bytes, Entry]) -> None:
        """Add entries, all of them or none; a key that has one already keeps it.

        Args:
            entries (`Mapping[bytes, tuple[str, Status, int]]`): Text, status and tokens by key.
        """
        with self._connection:
            # Another process may have written the same text meanwhile; equal
            # keys mean equal texts, so either may stay.
            self._connection.executemany(
                "INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)",
                [(key, *entry) for key, entry in entries.items()],
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def entry_key(made_by: Mapping[str, Any], prompt: Iterable[int], cap: int) -> bytes:
    """Hash who wrote the text and how, the prompt's ids and the cap.

    Args:
        made_by (`Mapping[str, Any]`): The model's weights and the decoding, as JSON can hold them.
        prompt (`Iterable[int]`): (P,) token ids of the prompt.
        cap (`int`): Tokens that the model may write, at most.

    Returns:
        `bytes`: The first 16 bytes of SHA-256.
    """
    content = json.dumps([sorted(made_by.items()), list(prompt), cap])
    return hashlib.sha256(content.encode()).digest()[:16]
