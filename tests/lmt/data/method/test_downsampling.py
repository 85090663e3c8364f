"""Strategic Downsampling: which rows stay, whatever holds them and in whatever order."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import xxhash
from datasets import Dataset, DatasetDict, IterableDataset
from datasets.fingerprint import Hasher

from hf_lmt.data.hashing import content_key
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.directions import parse_direction
from hf_miwv.common.errors import InputError
from tests.lmt.data.test_hashing import plain_mix

NAMES = ("en-de", "de-en", "zh-de", "de-zh", "en-zh", "zh-en", "kk-en", "de-fr")


def mixed(rows: list[Any], seed: int) -> list[Any]:
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]


def make_rows(count: int = 400) -> list[dict[str, Any]]:
    """`count` rows in each of eight directions, every second of them multi-way."""
    rows = []
    for name in NAMES:
        source_lang, target_lang = name.split("-")
        for number in range(count):
            rows.append(
                {
                    "source_lang": source_lang,
                    "target_lang": target_lang,
                    "source": f"sentence {number} in {source_lang}",
                    "target": f"sentence {number} in {target_lang}",
                    "corpus": "ntrex",
                    "line": number if number % 2 else None,
                }
            )
    return mixed(rows, seed=5)


ROWS = make_rows()


def name_of(row: dict[str, Any]) -> str:
    return f"{row['source_lang']}-{row['target_lang']}"


def plain_hash(row: dict[str, Any], seed: int) -> int:
    """One row at a time, in whole numbers."""
    fields = [row[name] for name in ("corpus", "source_lang", "target_lang", "source", "target")]
    key = row.get("row_key") or content_key(*fields)
    head = f"downsampling\x1f{seed}\x1f{name_of(row)}"
    return plain_mix(*(xxhash.xxh3_64_intdigest(text.encode()) for text in (head, key)))


def plain_kept(rows: list[dict[str, Any]], seed: int, percent: int = 5) -> list[dict[str, Any]]:
    thinned = ("de-en", "de-zh", "kk-en")
    return [row for row in rows if name_of(row) not in thinned or plain_hash(row, seed) * 100 < percent * 2**64]


def numbers(rows: Any) -> Counter[str]:
    return Counter(name_of(row) for row in rows)


@pytest.mark.parametrize("keys", [False, True])
def test_every_way_to_call_it_keeps_the_plain_choice(keys: bool) -> None:
    rows = [{**row, "row_key": f"k{index}"} for index, row in enumerate(ROWS)] if keys else ROWS
    expected = plain_kept(rows, seed=3)
    assert 0 < numbers(expected)["de-en"] < 60
    assert numbers(expected)["zh-en"] == 400
    dataset, step = Dataset.from_list(rows), StrategicDownsampling(seed=3)
    assert step(dataset).to_list() == expected
    assert step(dataset, num_proc=2).to_list() == expected
    assert dataset.filter(step, batched=True, batch_size=17).to_list() == expected
    assert list(step(dataset.to_iterable_dataset(num_shards=3))) == expected
    assert list(dataset.to_iterable_dataset().filter(step, batched=True)) == expected
    splits = step(DatasetDict(train=dataset, test=dataset.select(range(100))))
    assert splits["train"].to_list() == expected
    assert splits["test"].to_list() == plain_kept(rows[:100], seed=3)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    mask = step(columns)
    assert [row for row, stays in zip(rows, mask, strict=True) if stays] == expected
    assert step(pyarrow.table(columns)) == mask


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows, step = mixed(ROWS, seed=1), StrategicDownsampling()
    assert step(Dataset.from_list(rows)).to_list() == plain_kept(rows, seed=0)
    shuffled = Dataset.from_list(ROWS).shuffle(seed=4)  # behind an indices mapping
    assert step(shuffled).to_list() == plain_kept(shuffled.to_list(), seed=0)


def test_the_format_of_a_data_set_stays() -> None:
    dataset = Dataset.from_list(ROWS).with_format("numpy", columns=["source", "target"])
    kept = StrategicDownsampling()(dataset)
    assert kept.format == dataset.format
    assert kept.column_names == dataset.column_names
    assert len(StrategicDownsampling()(dataset.select([]))) == 0


def test_rates_are_nested_and_seeds_differ() -> None:
    before: set[tuple[str, str]] = set()
    dataset = Dataset.from_list(ROWS)
    for rate in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0):
        step = StrategicDownsampling(rate, seed=1)
        kept = {(row["source"], row["target"]) for row in step(dataset)}
        assert before < kept
        before = kept
    assert len(before) == len(ROWS)
    one, two = (StrategicDownsampling(seed=seed)(dataset)["source"][:] for seed in (1, 2))
    assert one != two


@pytest.mark.parametrize(
    ("settings", "direction", "rate"),
    [
        ({}, "kk-en", 0.05),
        ({}, "kk-zh", 0.05),
        ({}, "en-kk", 1.0),
        ({}, "zh-kk", 1.0),
        ({}, "en-zh", 1.0),
        ({}, "zh-en", 1.0),
        ({}, "de-fr", 1.0),
        ({"rate": 0.2}, "kk-en", 0.2),
        ({"rate": 0.2}, "zh-en", 1.0),
        ({"rates": {"*-en": 0.1}}, "kk-en", 0.1),
        ({"rates": {"*-en": 0.1}}, "kk-zh", 0.05),
        ({"rates": {"*-en": 0.1}}, "zh-en", 1.0),
        ({"rates": {"*-en": 0, "zh-en": 0.3}}, "zh-en", 0.3),
        ({"rates": {"*-en": 0.1, "kk-en": 1}}, "kk-en", 1.0),
        ({"rates": {"*-*": 0.5, "*-en": 0.1}}, "en-de", 0.5),
        ({"rates": {"*-*": 0.5, "*-en": 0.1}}, "de-en", 0.1),
    ],
)
def test_the_rate_of_a_direction(settings: dict[str, Any], direction: str, rate: float) -> None:
    assert StrategicDownsampling(**settings).rate_of(parse_direction(direction)) == rate


def test_multiway_rows_alone_are_thinned_on_request() -> None:
    kept = StrategicDownsampling(0.0, multiway_only=True)(Dataset.from_list(ROWS))
    thinned = ("de-en", "de-zh", "kk-en")
    expected = [row for row in ROWS if row["line"] is None or name_of(row) not in thinned]
    assert kept.to_list() == expected
    stream = StrategicDownsampling(0.0, multiway_only=True)(Dataset.from_list(ROWS).to_iterable_dataset())
    assert list(stream) == expected


@pytest.mark.parametrize("multiway_only", [False, True])
def test_counts_keep_the_lowest_hashes(multiway_only: bool) -> None:
    counts = {"de-en": 30, "zh-*": 7, "kk-en": 0, "de-zh": 400}
    step = StrategicDownsampling(counts=counts, seed=9, multiway_only=multiway_only)
    kept = step(Dataset.from_list(ROWS))
    expected = []
    for name in NAMES:
        rows = [row for row in ROWS if name_of(row) == name]
        open_rows = [row for row in rows if not multiway_only or row["line"] is not None]
        count = {"de-en": 30, "zh-de": 7, "kk-en": 0}.get(name, len(rows))
        chosen = sorted(open_rows, key=lambda row: plain_hash(row, 9))[:count]
        expected += [row for row in rows if row in chosen or row not in open_rows]
    assert kept.to_list() == [row for row in ROWS if row in expected]
    found = numbers(kept)
    if not multiway_only:
        assert found == {"de-en": 30, "zh-de": 7, "de-zh": 400, "en-de": 400, "en-zh": 400, "zh-en": 400, "de-fr": 400}
    more = StrategicDownsampling(counts={**counts, "de-en": 60}, seed=9, multiway_only=multiway_only)
    sources = set(more(Dataset.from_list(ROWS))["source"])
    assert set(kept["source"]) <= sources


def test_counts_beyond_the_rows_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        kept = StrategicDownsampling(counts={"kk-en": 1000})(Dataset.from_list(ROWS))
    assert numbers(kept)["kk-en"] == 400
    assert "counts: kk-en: 1000 asked for, only 400 rows" in caplog.text
    assert f"{len(kept)} of {len(ROWS)} rows stay" in caplog.text


def test_copies_of_a_row_share_its_fate() -> None:
    rows = [dict(row) for row in ROWS[:200] for _ in range(2)]
    kept = StrategicDownsampling(0.5)(Dataset.from_list(rows)).to_list()
    assert 0 < len(kept) < len(rows)
    assert kept[0::2] == kept[1::2]


def test_the_cache_knows_the_settings(tmp_path: Path) -> None:
    step = StrategicDownsampling(rates={"*-en": 0.1, "*-zh": 0.2}, seed=4)
    turned = StrategicDownsampling(rates={"*-zh": 0.2, "*-en": 0.1}, seed=4)
    assert pickle.loads(pickle.dumps(step)) == step  # noqa: S301
    assert Hasher.hash(step) == Hasher.hash(turned)
    step(Dataset.from_list(ROWS))  # use leaves no trace in the pickle
    assert Hasher.hash(step) == Hasher.hash(turned)
    assert Hasher.hash(step) != Hasher.hash(StrategicDownsampling(seed=4))
    script = (
        "from datasets.fingerprint import Hasher\n"
        "from hf_lmt.data.method.downsampling import StrategicDownsampling\n"
        "print(Hasher.hash(StrategicDownsampling(rates={'*-zh': 0.2, '*-en': 0.1}, seed=4)))"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == Hasher.hash(step)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate": 5}, "rate 5: give a share"),
        ({"rates": {"*-en": 1.5}}, r"rates: \*-en: 1.5"),
        ({"rates": {"*-xx": 0.5}}, "rates: no language 'xx'"),
        ({"rates": {"de-de": 0.5}}, "rates: .*the same"),
        ({"rates": {"en": 0.5}}, "rates: 'en' is not a direction"),
        ({"rates": {"de-*": 0.5, "*-en": 0.1}}, "de-en"),
        ({"rates": 0.5}, "rates 0.5: give directions"),
        ({"counts": {"*-en": -1}}, "counts: .*-1"),
        ({"counts": {"*-en": True}}, "counts: .*True"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        StrategicDownsampling(**settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_lang": "eng_Latn"}, "eng_Latn"),
        ({"source_lang": "en", "target_lang": "en"}, "the same"),
        ({"source": None, "source_lang": "de", "target_lang": "en"}, "row 1 of this .* no source"),
        ({"target_lang": None}, "row 1 of this batch has no target_lang"),
    ],
)
def test_rows_that_cannot_be(change: dict[str, Any], words: str) -> None:
    rows = [ROWS[0], {**ROWS[1], **change}]
    with pytest.raises(InputError, match=words):
        StrategicDownsampling()({name: [row[name] for row in rows] for name in ROWS[0]})


def test_what_needs_more_than_it_has() -> None:
    stream = IterableDataset.from_generator(lambda: iter(ROWS))
    step = StrategicDownsampling(counts={"*-en": 3})
    with pytest.raises(InputError, match="need the whole data set"):
        step(stream)
    with pytest.raises(InputError, match="need the whole data set"):
        Dataset.from_list(ROWS).filter(step, batched=True)
    with pytest.raises(InputError, match="no column 'line'"):
        StrategicDownsampling(multiway_only=True)(Dataset.from_list(ROWS).remove_columns("line"))
    with pytest.raises(InputError, match="no column 'source_lang'"):
        StrategicDownsampling()(Dataset.from_dict({"translation": ["a"]}))


@pytest.mark.parametrize("form", ["torch", "numpy", "pandas", "arrow"])
def test_the_format_of_the_rows_changes_no_choice(form: str) -> None:
    """A null number is nan in most formats, and must not make a row multi-way."""
    dataset = Dataset.from_list(ROWS)
    step = StrategicDownsampling(multiway_only=True, seed=3)
    expected = dataset.filter(step, batched=True).to_list()
    assert 0 < len(expected) < len(ROWS)
    formatted = dataset.with_format(form)
    assert formatted.filter(step, batched=True).with_format(None).to_list() == expected
    assert step(formatted).with_format(None).to_list() == expected
