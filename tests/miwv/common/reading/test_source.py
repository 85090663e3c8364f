from __future__ import annotations

from pathlib import Path

import pytest

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.source import Source


@pytest.mark.parametrize(
    ("text", "revision", "source", "name"),
    [
        ("ada/model", None, Source("ada/model"), "ada/model"),
        ("ada/model@v1", None, Source("ada/model", "v1"), "ada/model"),
        ("ada/model@v1", "v1", Source("ada/model", "v1"), "ada/model"),
        ("ada/model", "v1", Source("ada/model", "v1"), "ada/model"),
        ("/data/rows@v1.json", None, Source("/data/rows@v1.json"), "rows@v1.json"),
        ("here@v1", None, Source("here@v1"), "here@v1"),  # a folder of this name is here
    ],
)
def test_a_path_or_id_is_parsed_once(
    text: str, revision: str | None, source: Source, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here@v1").mkdir()
    monkeypatch.chdir(tmp_path)
    parsed = Source.parse(text, revision)
    assert parsed == source
    assert Source.parse(parsed) is parsed
    assert parsed.name == name
    assert (parsed.local_path is not None) == parsed.is_local == (not text.startswith("ada/"))
    facts = {"source": name, "split": None, "config": None, "revision": source.revision, "field": None}
    assert parsed.facts() == facts


@pytest.mark.parametrize(
    ("text", "revision", "message"),
    [
        ("ada/model@", None, "names no revision after the @"),
        ("ada/model@v1", "v2", "another revision than --revision v2"),
    ],
)
def test_revisions_that_cannot_be(text: str, revision: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Source.parse(text, revision)


def test_a_file_of_an_installed_package_is_local() -> None:
    source = Source.parse("package:hf_miwv/sample/instructions.jsonl")
    assert source.path.is_file()
    assert source.facts()["source"] == "instructions.jsonl"
    with pytest.raises(InputError, match="the package hf_miwv has no nothing"):
        Source.parse("package:hf_miwv/nothing")
