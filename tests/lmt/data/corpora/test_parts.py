"""Sources cut into parts: together they are the source, whatever their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hf_lmt.data.corpora.blocks import Tally, row_blocks
from hf_lmt.data.corpora.contents import open_source
from hf_lmt.data.corpora.parts import cut_source, open_part
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.text_files import lines_from
from hf_lmt.directions import DIRECTIONS
from hf_miwv.common.errors import InputError

LINES = ["one", "", "drei drei", "Ünïcödé\u2028still the line", "five\r", "six"]


def rows_of(contents: Any, source: Source) -> list[dict[str, Any]]:
    rows = [
        row for block in row_blocks(source, contents, list(DIRECTIONS), True, Tally()) for row in block.to_pylist()
    ]
    # A block has its rows direction by direction, so their order hangs on where blocks end.
    return sorted(({name: value for name, value in row.items() if name != "line"} for row in rows), key=str)


def text(folder: Path) -> str:
    for code in ("en", "de", "zh"):
        lines = [f"{code} {line}" * (1 + number % 3) for number, line in enumerate(LINES * 5)]
        (folder / f"train.{code}").write_bytes("\n".join(lines).encode() + b"\n" * (code == "de"))
    return str(folder / "train")


def json_file(folder: Path) -> str:
    records = [{"en": f"line {number}", "de": f"Zeile {number} ü" * (number % 4)} for number in range(230)]
    (folder / "t.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return str(folder / "t.jsonl")


def json_folder(folder: Path) -> str:
    (folder / "set").mkdir()
    for name, count in (("a", 3), ("b", 40)):
        records = [
            {"translation": {"en": f"{name} {number}", "nl": f"{name} nee {number}"}} for number in range(count)
        ]
        content = "".join(json.dumps(record) + "\n" for record in records)
        (folder / "set" / f"{name}.jsonl").write_text(content, "utf-8")
    return str(folder / "set")


def parquet(folder: Path) -> str:
    rows = Dataset.from_list([{"en": f"line {number}", "kk": f"жол {number}"} for number in range(17)])
    rows.to_parquet(str(folder / "t.parquet"))
    return str(folder / "t.parquet")


def tsv(folder: Path) -> str:
    (folder / "en-de.tsv").write_text("en\tde\n" + "a\tb\n" * 9, "utf-8")
    return str(folder / "en-de.tsv")


@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize("write", [text, json_file, json_folder, parquet, tsv])
def test_the_parts_are_the_source(write: Any, count: int, tmp_path: Path) -> None:
    source = Source(write(tmp_path))
    whole = rows_of(open_source(source), source)
    parts = cut_source(source, count).parts
    assert 1 <= len(parts) <= count + 1
    assert write is tsv or count == 1 or len(parts) > 1
    assert sorted((row for part in parts for row in rows_of(open_part(source, part), source)), key=str) == whole


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_every_cut_gives_each_line_once(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\n".join(LINES).encode() + end)
    size = path.stat().st_size
    whole = list(lines_from(path, 0, size))
    assert whole == [line.removesuffix("\r") for line in LINES]
    for cut in range(size + 1):
        assert [*lines_from(path, 0, cut), *lines_from(path, cut, size)] == whole


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("a\nb\n", "utf-8")
    (tmp_path / "t.de").write_text("a\nb\nc\n", "utf-8")
    with pytest.raises(InputError, match="misaligned: they have 3 and 2 lines"):
        cut_source(Source(str(tmp_path / "t")), 2)


def test_a_broken_line_is_named_by_its_range(tmp_path: Path) -> None:
    path = Path(json_file(tmp_path))
    path.write_text(path.read_text("utf-8") + "{broken\n", "utf-8")
    source = Source(str(path))
    part = cut_source(source, 2).parts[1]
    with pytest.raises(InputError, match=r"t\.jsonl: line \d+ behind byte [\d,]+: not valid JSON"):
        rows_of(open_part(source, part), source)
