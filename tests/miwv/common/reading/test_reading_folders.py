"""Folders -> rows: splits, slices, configurations, and what cannot be read of them."""

import json

import pytest

from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from tests.miwv.common.reading.readable_rows import (
    CARD,
    ROWS,
    TWO_CONFIGS,
    cache,  # noqa: F401
    lines,
    parquet,
    refusal,
    write,
)


@pytest.fixture(params=["saved", "files"])
def two_splits(request, tmp_path):
    from datasets import Dataset, DatasetDict

    if request.param == "saved":
        splits = {"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:2])}
        DatasetDict(splits).save_to_disk(str(tmp_path / "data"))
    else:
        write(tmp_path / "data" / "train.jsonl", lines())
        write(tmp_path / "data" / "test.jsonl", lines(ROWS[:2]))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (None, ROWS),
        ("train", ROWS),
        ("test", ROWS[:2]),
        ("train[:3]", ROWS[:3]),
        ("train[-3:]", ROWS[-3:]),
        ("train[8:100]", ROWS[8:]),
        ("train[:30%]", ROWS[:3]),
        ("train[8:]+test[:1]", ROWS[8:] + ROWS[:1]),
    ],
)
def test_splits_and_slices(split, expected, two_splits):
    assert list(read_dataset(Source.parse(two_splits, split=split))) == expected


@pytest.mark.parametrize(
    ("split", "fragments"),
    [
        ("validation", ["no split 'validation'", "known: test, train"]),
        ("trian[:3]", ["no split 'trian[:3]'", "did you mean 'train'?"]),
        ("train[:x]", ["'train[:x]' is not a split", "[:100]"]),
        ("train[:300%]", ["'train[:300%]' is not a split"]),
        ("", ["'' is not a split"]),
        ("train[5:5]", ["holds no rows in split 'train[5:5]'"]),
    ],
)
def test_splits_that_are_not_there(split, fragments, two_splits):
    message = refusal(two_splits, split=split)
    assert [part for part in fragments if part not in message] == []


def test_slice_of_a_file(tmp_path):
    path = write(tmp_path / "a.jsonl", lines())
    assert list(read_dataset(Source.parse(path, split="train[:4]"))) == ROWS[:4]
    assert "no split 'test'; known: train" in refusal(path, split="test")


# Folders


def test_folder_saved_without_splits(tmp_path):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "data"))
    assert list(read_dataset(tmp_path / "data")) == ROWS
    assert "written by save_to_disk and has none" in refusal(tmp_path / "data", config="x")


@pytest.mark.parametrize(
    ("files", "options", "expected"),
    [
        ({"data/train-0.parquet": parquet}, {}, ROWS),
        ({"validation.jsonl": lines()}, {}, ROWS),
        ({"train.jsonl": lines(), "test.jsonl": ""}, {}, ROWS),
        (
            {
                "README.md": CARD.format(first="a.jsonl", second="b.jsonl"),
                "a.jsonl": lines(ROWS[:1]),
                "b.jsonl": lines(),
            },
            {"config": "second"},
            ROWS,
        ),
        (
            {
                "README.md": CARD.format(first="data/train-*.parquet", second="none/*"),
                "data/train-0.parquet": parquet,
                "run.json": json.dumps({"settings": {"model": "x"}, "rows": [1, "a"]}),
            },
            {"config": "first"},
            ROWS,
        ),
    ],
)
def test_folders(files, options, expected, tmp_path):
    for name, content in files.items():
        write(tmp_path / "data" / name, content() if callable(content) else content)
    assert list(read_dataset(Source.parse(tmp_path / "data", **options))) == expected


@pytest.mark.parametrize(
    ("files", "options", "fragments"),
    [
        ({".keep": ""}, {}, ["holds no data files"]),
        ({"data.py": "", "a.jsonl": lines()}, {}, ["loading script", "trust_remote_code"]),
        ({"a.jsonl": lines(), "b.jsonl": lines()[:-3]}, {}, ["b.jsonl:10: not valid JSON"]),
        ({"a.jsonl": b'{"output": "\xe9"}\n'}, {}, ["a.jsonl:1: not UTF-8"]),
        ({"a.jsonl": lines(), "b.jsonl": '{"z": 1}\n'}, {}, ["column names don't match"]),
        ({"test.jsonl": lines(), "dev.jsonl": lines()}, {}, ["splits validation, test; choose"]),
        ({"test.jsonl": "\n"}, {}, ["holds no rows"]),
        (TWO_CONFIGS, {}, ["several configurations", "--config: first, second"]),
        (TWO_CONFIGS, {"config": "frist"}, ["no configuration 'frist'", "did you mean 'first'?"]),
        (TWO_CONFIGS, {"revision": "main"}, ["--revision main: is for Hub data sets"]),
    ],
)
def test_folders_that_cannot_be_read(files, options, fragments, tmp_path):
    for name, content in files.items():
        write(tmp_path / "data" / name, content)
    message = refusal(tmp_path / "data", **options)
    assert [part for part in fragments if part not in message] == []


def test_damaged_arrow_folder(tmp_path):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "data"))
    (shard,) = (tmp_path / "data").glob("*.arrow")
    shard.write_bytes(shard.read_bytes()[:300])
    assert f"{shard}: cannot be read as arrow" in refusal(tmp_path / "data")
    shard.unlink()
    assert "No such file or directory" in refusal(tmp_path / "data")


def test_two_folders_of_one_name_are_not_mixed_up(tmp_path):
    """The library keeps them in one place of its cache when their cards declare `configs:`."""
    card = "---\nconfigs:\n- config_name: a\n  data_files: data/train-*.parquet\n---\n"
    for parent, value in (("x", "one"), ("y", "two"), ("y", "three")):
        folder = tmp_path / parent / "scored"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        write(folder / "data" / "train-0.parquet", parquet([{"a": value}]))
        (folder / "README.md").write_text(card)
        assert read_dataset(folder)["a"] == [value]
