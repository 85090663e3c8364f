"""Row keys and the hashes that decide: by content, even, nested and independent of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow
import pytest
import xxhash

from hf_lmt.data.hashing import (
    below,
    check_seed,
    check_share,
    content_key,
    decision_hashes,
    direction_column,
    row_keys,
    text_column,
)
from hf_miwv.common.errors import InputError

KEYS = [f"row {number}" for number in range(20_000)]
ONE_WAY = direction_column({"source_lang": ["de"] * len(KEYS), "target_lang": ["en"] * len(KEYS)})


def plain_mix(one: int, other: int) -> int:
    """The last step of SplitMix64 on `one` xor `other`, in whole numbers."""
    number = one ^ other
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % 2**64
    return number ^ (number >> 31)


def batch(**columns: Any) -> dict[str, Any]:
    return {
        "source_lang": ["en", "en"],
        "target_lang": ["de", "fr"],
        "source": ["One.", "Café"],
        "target": ["Eins.", "Un café"],
        **columns,
    }


def test_a_hash_equals_the_formula() -> None:
    directions = direction_column({"source_lang": ["fr", "de"], "target_lang": ["en", "en"]})
    found = decision_hashes("downsampling", 7, directions, ["row 1", "row 3"])
    head, key = (xxhash.xxh3_64_intdigest(text) for text in (b"downsampling\x1f7\x1fde-en", b"row 3"))
    assert found.dtype == np.uint64
    assert found[1] == plain_mix(head, key)


def test_keys_are_the_same_in_every_version() -> None:
    expected = xxhash.xxh3_128_hexdigest(b"ntrex\x1fen-de\x1fHello.\x1fHallo.")
    assert expected == "25e48ac82da5621bb86e0208c0e6e6e0"
    assert content_key("ntrex", "en", "de", "Hello.", "Hallo.") == expected


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"source": ["One.", "Cafe\u0301"]}, True),  # the same letters, decomposed
        ({"corpus": [None, None]}, True),
        ({"row_key": [None, ""]}, True),
        ({"auxiliary": ["a", "b"]}, True),
        ({"corpus": ["ntrex", "ntrex"]}, False),
        ({"target_lang": ["fr", "de"]}, False),
        ({"target": ["Eins", "Un cafe"]}, False),
        ({"source": ["one.", "café"]}, False),
        ({"row_key": ["1", "2"]}, False),
    ],
)
def test_the_key_is_the_content_unless_one_is_given(change: dict[str, Any], same: bool) -> None:
    plain = row_keys(batch())
    assert len(set(plain)) == 2
    changed = row_keys(batch(**change))
    assert [one == other for one, other in zip(plain, changed, strict=True)] == [same, same]
    assert row_keys(pyarrow.table(batch(**change))) == changed


def test_keys_written_as_a_column_decide_the_same() -> None:
    keys = row_keys(batch(corpus=["a", "b"]))
    assert keys[0] == content_key("a", "en", "de", "One.", "Eins.")
    assert row_keys(batch(corpus=["a", "b"], row_key=keys)) == keys
    assert row_keys(batch(corpus=["a", "b"], row_key=["mine", None])) == ["mine", keys[1]]


def test_hashes_are_even_and_shares_are_nested() -> None:
    hashes = decision_hashes("downsampling", 0, ONE_WAY, KEYS)
    assert len(set(hashes.tolist())) == len(KEYS)
    kept: set[int] = set()
    for share in (0.0, 0.01, 0.05, 0.1, 0.5, 0.99, 1.0):
        chosen = set(np.flatnonzero(below(hashes, share)).tolist())
        assert kept <= chosen
        deviation = (len(KEYS) * share * (1 - share)) ** 0.5
        assert abs(len(chosen) - len(KEYS) * share) <= 4 * deviation
        kept = chosen


@pytest.mark.parametrize("other", [("hint", 0), ("downsampling", 1)])
def test_decisions_of_other_names_and_seeds_are_independent(other: tuple[str, int]) -> None:
    one = below(decision_hashes("downsampling", 0, ONE_WAY, KEYS), 0.5)
    two = below(decision_hashes(*other, ONE_WAY, KEYS), 0.5)
    both = (one & two).mean()
    assert abs(both - 0.25) < 4 * (0.25 * 0.75 / len(KEYS)) ** 0.5


@pytest.mark.parametrize(
    ("number", "share", "expected"),
    [
        (0, 0.0, False),
        (0, 1e-19, True),
        (1, 1e-20, False),
        (2**64 - 1, 1.0, True),
        (2**64 - 1, 1 - 2**-53, False),
        (2**63 - 1, 0.5, True),
        (2**63, 0.5, False),
    ],
)
def test_below_is_exact(number: int, share: float, expected: bool) -> None:
    hashes = np.array([number], np.uint64)
    assert below(hashes, share).tolist() == [expected]
    assert below(hashes, np.array([share])).tolist() == [expected]


def test_directions_are_spelled_once() -> None:
    found = direction_column(batch(source_lang=["kk", "kk"], target_lang=["en", "en"]))
    assert found.to_pylist() == ["kk-en", "kk-en"]
    assert found.dictionary.to_pylist() == ["kk-en"]


@pytest.mark.parametrize(
    ("columns", "name", "words"),
    [
        ({"text": ["a"]}, "source", "no column 'source'"),
        ({"sourc": ["a"]}, "source", "did you mean 'sourc'"),
        ({"source": ["a", None]}, "source", "row 1 of this batch has no source"),
        ({"source": [1, 2]}, "source", "does not hold texts"),
        ({"source": "one text"}, "source", "batched=True"),
        ({"source": [["a"], ["b"]]}, "source", "does not hold texts"),
    ],
)
def test_columns_that_cannot_be_read(columns: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        text_column(columns, name)


@pytest.mark.parametrize("seed", [-1, 1.0, True, "7", None])
def test_seeds_that_cannot_be(seed: Any) -> None:
    with pytest.raises(InputError, match="seed"):
        check_seed(seed)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_shares_that_cannot_be(share: Any) -> None:
    with pytest.raises(InputError, match="rate"):
        check_share("rate", share)
