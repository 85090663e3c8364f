"""`--push-to-hub`, and scored rows by their id: what is typed, what lands, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hub.server import HubServer
from scored_folder import write_scored
from tiny import make_rows

from hf_miwv import push, select
from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder, fetch_written
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import read_record
from hf_miwv.comparing.comparison import compare

SCORES = [index / 10 for index in range(24)]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scored(tmp_path_factory.mktemp("rows") / "scored", make_rows(24), SCORES)


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split()), result.output


def configs(hub: HubServer) -> list[tuple[str, str, bool]]:
    card = hub.files("dataset", "ada/rows")["README.md"].decode().split("---\n")[1]
    return [
        (one["config_name"], one["data_files"][0]["path"], bool(one.get("default")))
        for one in yaml.safe_load(card)["configs"]
    ]


def rows(folder: Path) -> list[Any]:
    from datasets import Dataset

    return Dataset.from_parquet([str(path) for path in folder.glob("data/*.parquet")])["row"]


def test_chosen_rows_go_to_the_hub_beside_the_scored_ones(
    hub: HubServer, scored: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hf_miwv")
    push(scored, "ada/rows")
    words = ["select", scored, "--fraction", "0.25", "--output", tmp_path / "chosen"]
    for _ in range(2):  # typed again, nothing changes
        result = invoke(*words, "--push-to-hub", "ada/rows")
        assert result.exit_code == 0, result.output
    assert "it is the configuration chosen of the data set" in caplog.text
    assert f"already there, nothing to push: {hub.address}/datasets/ada/rows (private)" in (caplog.text)
    assert configs(hub) == [
        ("scored", "data/train-*.parquet", True),
        ("chosen", "chosen/data/train-*.parquet", False),
    ]
    assert push(scored, "ada/rows").written == []
    files = hub.files("dataset", "ada/rows")
    assert files["run.json"] == (scored / "run.json").read_bytes()
    assert files["chosen/run.json"] == (tmp_path / "chosen" / "run.json").read_bytes()
    assert len(hub.titles("dataset", "ada/rows")) == 2


def test_a_failed_push_leaves_the_choice_and_can_be_typed_again(hub: HubServer, scored: Path, tmp_path: Path) -> None:
    words = [
        "select",
        scored,
        "--count",
        3,
        "--output",
        tmp_path / "chosen",
        "--push-to-hub",
        "ada/rows",
        "--public",
        "--hub-revision",
        "v1",
    ]
    hub.fault("/commit/", status=403, message="no right")
    refused(invoke(*words), "ada/rows: the token may not write here (no right)")
    assert len(rows(tmp_path / "chosen")) == 3
    assert invoke(*words).exit_code == 0
    assert not hub.store.find("dataset", "ada/rows").private
    assert "run.json" in hub.files("dataset", "ada/rows", "v1")
    assert hub.files("dataset", "ada/rows") == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--push-to-hub", "rows"], "'rows': is no repository on the Hub: it is not OWNER/NAME"),
        (["--public"], "are for --push-to-hub USER/NAME; give it, or leave them out"),
        (["--push-to-hub", "a/b", "--hub-revision", "v1", "--pull-request"], "leave one of"),
    ],
)
def test_what_cannot_be_pushed_is_refused_before_any_work(
    hub: HubServer, scored: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    refused(invoke("select", scored, "--count", 3, "--output", tmp_path / "x", *words), message)
    assert not (tmp_path / "x").exists()
    assert hub.seen == []


def test_without_a_login_nothing_is_begun(
    hub: HubServer, scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    words = ["select", scored, "--count", 3, "--output", tmp_path / "x", "--push-to-hub", "ada/x"]
    refused(invoke(*words), "you are not logged in to the Hub")
    assert not (tmp_path / "x").exists()


def test_scored_rows_are_chosen_and_compared_by_id(hub: HubServer, scored: Path, tmp_path: Path) -> None:
    """The default configuration, another by its name, and a revision; each with its run.json."""
    other = write_scored(tmp_path / "other", make_rows(24), SCORES[::-1])
    push(scored, "ada/rows")
    push(other, "ada/rows", config="other")
    push(other, "ada/alone", revision="v1")
    push(scored, "ada/alone")
    for number, (given, options, best) in enumerate(
        [
            ("ada/rows", [], 23),
            ("ada/rows", ["--config", "other"], 0),
            ("ada/alone", [], 23),
            ("ada/alone@v1", [], 0),
            ("ada/alone", ["--revision", "v1"], 0),
        ]
    ):
        output = tmp_path / f"chosen-{number}"
        result = invoke("select", given, *options, "--count", 2, "--output", output)
        assert result.exit_code == 0, result.output
        assert rows(output)[0] == best
        record = read_record(output)
        assert record is not None
        assert record["model"] == json.loads((scored / "run.json").read_text())["model"]
    assert select("ada/alone@v1", count=1)["row"] == [0]
    report = compare(["ada/alone", "ada/alone@v1"])
    assert [one["name"] for one in report["folders"]] == ["alone", "alone@v1"]


def test_ids_that_cannot_be(hub: HubServer, scored: Path, tmp_path: Path) -> None:
    push(scored, "ada/rows")
    words = ["select", "ada/rows", "--count", 2, "--output", tmp_path / "x"]
    refused(invoke(*words, "--revision", "v9"), "'ada/rows' cannot be loaded: it has no such rev")
    with pytest.raises(InputError, match="'ada/none' cannot be loaded: there is no such repo"):
        fetch_folder("ada/none")
    with pytest.raises(InputError, match="has no configuration 'scord'; did you mean 'scored'"):
        fetch_folder(Source.parse("ada/rows", config="scord"))
    with pytest.raises(InputError, match="names another revision than --revision v2; give one"):
        Source.parse("ada/rows@v1", "v2")
    with pytest.raises(InputError, match="names no revision after the @"):
        Source.parse("ada/rows@")


def test_a_data_set_of_others_has_no_record(hub: HubServer, scored: Path) -> None:
    from huggingface_hub import HfApi

    HfApi().create_repo("ada/plain", repo_type="dataset")
    HfApi().upload_folder(repo_id="ada/plain", repo_type="dataset", folder_path=scored / "data", path_in_repo="data")
    assert fetch_written("ada/plain") is None
    assert fetch_written(scored) == scored
