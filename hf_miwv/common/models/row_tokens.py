"""Token ids: how a text becomes ids, and many rows of ids in one flat array."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hf_miwv.common.reading.kinds import RowError


class RowTokens(NamedTuple):
    """A row as token ids.

    Attributes:
        prompt: x, which begins with what the tokenizer puts before a text.
        response: y.
        ending: what follows y and ends the turn, which is trained on and not scored.
        text: x as text: what is embedded, and what duplicates are found by.
        lost: tokens at the end of the prompt, rendered alone, that the whole row does not have.
        fault: why the row could not be rendered; it then has no ids.
    """

    prompt: list[int]
    response: list[int]
    ending: list[int] = []  # noqa: RUF012  never changed
    text: str = ""
    lost: int = 0
    fault: RowError | None = None


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Encode each text by itself as ids, without special tokens around it."""
    if not texts:
        return []
    # verbose=False: lengths are checked against the limit later, and counted.
    return tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]


def start_tokens(tokenizer: Any) -> list[int]:
    """Return the tokens that the tokenizer puts before a text (usually its BOS token, or none).

    Read off a text encoded with and without special tokens, because the switches that say so
    (`add_bos_token`, a post-processor) differ between tokenizers.
    """
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a", add_special_tokens=True)["input_ids"]
    for before in range(len(full) - len(bare) + 1):
        if full[before : before + len(bare)] == bare:
            return full[:before]
    return []


def common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the leading ids that two sequences share."""
    shorter = min(len(first), len(second))
    if first[:shorter] == second[:shorter]:  # the usual case, without a loop
        return shorter
    pairs = zip(first, second, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), shorter)


def stand_in_token(tokenizer: Any) -> int:
    """Return the id put in place of an empty prompt, so that the first response token has a context.

    The paper is silent; BOS, else EOS, is what evaluation harnesses use.
    """
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return token
    return 0


class TokenTable:
    """N sequences of token ids in one flat int32 array: 4 bytes a token, whatever N."""

    def __init__(self, sequences: Iterable[Sequence[int]] = ()) -> None:
        self._flat = array("i")
        self._ends = array("q", [0])
        for sequence in sequences:
            self.append(sequence)

    def append(self, sequence: Sequence[int]) -> None:
        self._flat.extend(sequence)
        self._ends.append(len(self._flat))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> list[int]:
        return self._flat[self._ends[index] : self._ends[index + 1]].tolist()

    @property
    def flat(self) -> np.ndarray:
        """(T,) int32 ids of all sequences, one behind the other."""
        return np.array(self._flat, dtype=np.int32)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens in each sequence."""
        return np.diff(np.array(self._ends, dtype=np.int64))
