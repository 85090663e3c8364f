"""The license of the rows: from the card of their data set, here or on the Hub, to our cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hub.clients import speak_to
from hub.server import HubServer
from tiny import make_rows

from hf_lmt.data.corpora.row_folder import license_names
from hf_miwv.__main__ import main
from hf_miwv.common.hub.hub_card import split_card
from hf_miwv.common.hub.license import license_of
from hf_miwv.common.hub.push import push
from hf_miwv.common.reading.source import Source


def data_set(folder: Path, head: str) -> Path:
    """Rows with a card, and a run.json, so that it can be pushed."""
    folder.mkdir()
    (folder / "README.md").write_text(f"{head}\n# Rows\n", "utf-8")
    (folder / "run.json").write_text('{"package": {"name": "x"}}', "utf-8")
    rows = "".join(json.dumps(row) + "\n" for row in make_rows(6))
    (folder / "data").mkdir()
    (folder / "data" / "train.jsonl").write_text(rows, "utf-8")
    return folder


CONFIGS = "configs:\n- config_name: a\n  data_files: [{split: train, path: data/*}]"
CC = f"---\nlicense: cc-by-4.0\n{CONFIGS}\n---"


@pytest.mark.parametrize(
    ("head", "license"),
    [
        (CC, "cc-by-4.0"),
        ("---\nlicense: [mit, cc0-1.0]\n---", ["mit", "cc0-1.0"]),
        ("---\ntags: [a]\n---", None),
        ("---\nlicense: []\n---", None),
        ("", None),
        ("---\n- broken\n---", None),
    ],
)
def test_of_a_folder(head: str, license: Any, tmp_path: Path) -> None:
    assert license_of(Source(str(data_set(tmp_path / "rows", head)))) == license
    assert license_of(Source(str(tmp_path / "rows" / "data" / "train.jsonl"))) is None


def test_of_a_data_set_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HubServer()
    speak_to(hub, tmp_path / "home", monkeypatch)
    try:
        push(data_set(tmp_path / "rows", CC), "ada/rows")
        assert license_of(Source("ada/rows")) == "cc-by-4.0"
        assert license_of(Source("ada/nothing")) is None
    finally:
        hub.shutdown()


def test_it_goes_through_score_and_select_to_the_cards(
    tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    rows = data_set(tmp_path / "rows", CC)
    words = ["score", rows, "--model", model_folder, "--embedder", embedder_folder]
    for more, license in (([], "cc-by-4.0"), (["--license", "mit"], "mit")):
        folders = [tmp_path / f"{name}-{license}" for name in ("scored", "chosen")]
        for command in (
            [*words, *more, "--output", folders[0]],
            ["select", folders[0], "--count", 2, "--output", folders[1]],
        ):
            done = CliRunner().invoke(main, [str(word) for word in command])
            assert done.exit_code == 0, (done.output, done.exception)
        for folder in folders:
            metadata, text = split_card((folder / "README.md").read_text("utf-8"))
            assert metadata["license"] == license
            assert f"License of the data: {license}." in text


@pytest.mark.parametrize(
    ("licenses", "named"),
    [
        (["cc-by-4.0", "mit", "mit"], ["cc-by-4.0", "mit"]),
        (["cc-by-4.0", None], ["cc-by-4.0", "unknown"]),
        (["CC BY-SA 4.0", "mit"], ["mit", "unknown"]),
        (["CC BY-SA 4.0"], []),
        ([None, None], []),
    ],
)
def test_of_several_sources(licenses: list[str | None], named: list[str]) -> None:
    assert license_names(licenses) == named
