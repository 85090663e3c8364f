"""CSV: which sign lies between the cells is seen from the file."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest

from hf_miwv.errors import InputError
from hf_miwv.reading import read_dataset
from hf_miwv.spooling import spool
from hf_miwv.streaming import open_stream

ROWS = [
    {"prompt": "Name a, b", "completion": 'the "b"; really'},
    {"prompt": "two\nlines\u2028", "completion": "NA"},
    {"prompt": "", "completion": "01|\t"},
]


def table(separator: str, rows: list[dict[str, str]] = ROWS) -> str:
    def cell(text: str) -> str:
        special = any(sign in text for sign in (separator, '"', "\n"))
        return '"' + text.replace('"', '""') + '"' if special else text

    cells = [list(rows[0]), *([*row.values()] for row in rows)]
    return "".join(separator.join(map(cell, line)) + "\n" for line in cells)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("name", "separator", "words"),
    [
        ("a.csv", ",", None),
        ("a.csv", ";", "semicolons"),
        ("a.csv", "\t", "tabs"),
        ("a.csv", "|", "vertical bars"),
        ("a.csv.gz", ";", "semicolons"),
        ("a.tsv", "\t", None),
        ("a.tsv", ",", "commas"),
        ("a.tsv.gz", ";", "semicolons"),
    ],
)
def test_the_separator_is_seen_and_told(
    name: str,
    separator: str,
    words: str | None,
    start: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    raw = (start + table(separator)).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    assert list(read_dataset(path)) == ROWS
    assert caplog.messages == ([f"{path}: its cells lie between {words}"] if words else [])
    assert list(spool(open_stream(path)[0], tmp_path / "out", progress=False)) == ROWS


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("prompt\nfirst; second\nthird\n", ["prompt"]),
        ("a,b\n1;2,3\n4;5,6\n", ["a", "b"]),
        ("a;b\n1;2,5\n3;4,5\n", ["a", "b"]),
        ("a (x, y);b\n1;2\n3;4\n", ["a (x, y)", "b"]),
        ("a,b\n1,2\n3\n", ["a", "b"]),  # a short row stays pandas' to fill
        ("a;b|c\n1;2|3\n", ["a", "b|c"]),
        ("a;b\n1;2;3\n", ["a;b"]),
        ('a;b\n"1\n;;2";3\n', ["a", "b"]),
        ("a;b\n" + "x" * 200_000 + ";y\n", ["a", "b"]),
    ],
)
def test_only_what_fits_header_and_rows_is_a_separator(
    text: str, columns: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert read_dataset(tmp_path / "a.csv").column_names == columns


def test_a_folder_of_such_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(table(";", ROWS[:1]))
    assert list(read_dataset(folder)) == ROWS[:1] * 2
    assert list(spool(open_stream(folder)[0], tmp_path / "out", progress=False)) == ROWS[:1] * 2
    (folder / "b.csv").write_text(table("|", ROWS[:1]))
    with pytest.raises(InputError, match=r"the same signs \(semicolons in .*a.csv, vertical bars"):
        read_dataset(folder)


def test_a_separator_that_the_card_names_is_taken(tmp_path: Path) -> None:
    card = "---\nconfigs:\n- config_name: x\n  data_files: a.csv\n  sep: '/'\n---\n"
    (tmp_path / "README.md").write_text(card)
    (tmp_path / "a.csv").write_text("a/b;c\n1/2;3\n")
    assert list(read_dataset(tmp_path)) == [{"a": 1, "b;c": "2;3"}]
