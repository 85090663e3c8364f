"""Token ids: how a text becomes ids, and many rows of ids in one flat array."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hf_miwv.common.reading.kinds import RowError


class RowTokens(NamedTuple):
    """Hold a row as token ids.

    Attributes:
        prompt (`list[int]`): x, which begins with the tokens that the tokenizer puts before a text.
        response (`list[int]`): y.
        ending (`list[int]`): Tokens behind y that end the turn; trained on and not scored.
        text (`str`): x as text, which is embedded, and by which duplicates are recognized.
        lost (`int`): Tokens at the end of the prompt, rendered alone, that the whole row does not have.
        fault (`RowError`, *optional*): Why the row could not be rendered; it then has no ids.
    """

    prompt: list[int]
    response: list[int]
    ending: list[int] = []  # noqa: RUF012  never changed
    text: str = ""
    lost: int = 0
    fault: RowError | None = None


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Encode each text by itself as ids, without special tokens around it.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        texts (`Sequence[str]`): N texts.

    Returns:
        `list[list[int]]`: The ids of each of the N texts.
    """
    if not texts:
        return []
    # verbose=False: lengths are checked against the limit later, and counted.
    return tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]


def start_tokens(tokenizer: Any) -> list[int]:
    """Return the tokens that the tokenizer puts before a text (usually its BOS token, or none).

    Read off a text encoded with and without special tokens, because the switches that say so
    (`add_bos_token`, a post-processor) differ between tokenizers.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Returns:
        `list[int]`: The ids, in their order.
    """
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a", add_special_tokens=True)["input_ids"]
    for before in range(len(full) - len(bare) + 1):
        if full[before : before + len(bare)] == bare:
            return full[:before]
    return []


def common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the leading ids that two sequences share.

    Args:
        first (`Sequence[int]`): Token ids.
        second (`Sequence[int]`): Token ids.

    Returns:
        `int`: The number of equal ids before the first difference, or the length of the shorter sequence.
    """
    shorter = min(len(first), len(second))
    if first[:shorter] == second[:shorter]:  # the usual case, without a loop
        return shorter
    pairs = zip(first, second, strict=False)
    return next((index for index, (token, other_token) in enumerate(pairs) if token != other_token), shorter)


def stand_in_token(tokenizer: Any) -> int:
    """Return the id that replaces an empty prompt, so that the first response token has a context.

    The paper is silent; BOS, else EOS, is what evaluation harnesses use.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Returns:
        `int`: The id of BOS, else of EOS, else 0.
    """
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return token
    return 0


class TokenTable:
    """Keep N sequences of token ids in one flat int32 array: 4 bytes a token, whatever N.

    Args:
        sequences (`Iterable[Sequence[int]]`, *optional*, defaults to `()`): The first sequences.
    """

    def __init__(self, sequences: Iterable[Sequence[int]] = ()) -> None:
        # Python lists would take 8 bytes a token and an object for each id beyond 256.
        self._flat = array("i")
        self._ends = array("q", [0])
        for sequence in sequences:
            self.append(sequence)

    def append(self, sequence: Sequence[int]) -> None:
        """Add a sequence of token ids at the end.

        Args:
            sequence (`Sequence[int]`): The ids.
        """
        self._flat.extend(sequence)
        self._ends.append(len(self._flat))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> list[int]:
        return self._flat[self._ends[index] : self._ends[index + 1]].tolist()

    @property
    def flat(self) -> np.ndarray:
        """Return (T,) int32 ids of all sequences, one behind the other."""
        return np.array(self._flat, dtype=np.int32)

    @property
    def lengths(self) -> np.ndarray:
        """Return (N,) int64 tokens in each sequence."""
        return np.diff(np.array(self._ends, dtype=np.int64))
