"""Rows in all the formats that are read, the errors of the reader, and a cache for each test."""

import csv
import io
import json

import pytest

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source

ROWS = [{"instruction": f"Say {number}", "input": "", "output": f"{number}\u00e9"} for number in range(10)]
CARD = """---
configs:
- config_name: first
  data_files: [{{split: train, path: "{first}"}}]
- config_name: second
  data_files: [{{split: train, path: "{second}"}}]
---
"""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    datasets = pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", folder / "downloads")
    monkeypatch.setattr(datasets.config, "EXTRACTED_DATASETS_PATH", folder / "extracted")


def lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows)


def with_ids(index, value):
    """The rows with a column of texts, and another kind of value in one of them."""
    return [{**row, "id": value if number == index else "x"} for number, row in enumerate(ROWS)]


def changed(number, **fields):
    return [row | fields if index == number else row for index, row in enumerate(ROWS)]


def comma_separated(delimiter=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue()


def parquet(rows=ROWS):
    from datasets import Dataset

    file = io.BytesIO()
    Dataset.from_list(rows).to_parquet(file)
    return file.getvalue()


def arrow(folder):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(folder / "saved for its arrow"))
    return next((folder / "saved for its arrow").glob("*.arrow")).read_bytes()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path, **options):
    with pytest.raises(InputError) as error:
        read_dataset(Source.parse(path, **options))
    return str(error.value)


TWO_CONFIGS = {
    "README.md": CARD.format(first="a.jsonl", second="b.jsonl"),
    "a.jsonl": lines(),
    "b.jsonl": lines(),
}
