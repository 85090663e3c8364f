"""`push` to a real server by the real client: what lands there, and what never does."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub.server import HubServer
from scored_folder import write_scored
from tiny import make_rows

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.manifest import NAME
from hf_miwv.common.hub.push import Pushed, push
from hf_miwv.selection.selection import select

SCORES = [index / 10 for index in range(24)]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scored(tmp_path_factory.mktemp("rows") / "scored", make_rows(24), SCORES)


@pytest.fixture(scope="module")
def chosen(scored: Path) -> Path:
    select(scored, fraction=0.25, output_dir=scored.with_name("chosen"))
    return scored.with_name("chosen")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Shaped as a model's folder; what is in the weights does not matter here."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 1000)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "README.md").write_text("---\nbase_model: owner/base\n---\n# A model\n")
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def card_of(hub: HubServer, name: str = "ada/data", kind: str = "dataset") -> dict[str, Any]:
    return yaml.safe_load(hub.files(kind, name)["README.md"].decode().split("---\n")[1])


def test_a_data_set_lands_whole_private_and_in_one_commit(hub: HubServer, chosen: Path) -> None:
    pushed = push(chosen, "ada/data")
    files = hub.files("dataset", "ada/data")
    assert files.pop(NAME)
    card = files["README.md"].decode()
    assert 'load_dataset("ada/data", split="train")' in card
    own = card.replace("ada/data", "<this folder or Hub id>", 1)
    assert files | {"README.md": own.encode()} == read(chosen)
    assert hub.store.find("dataset", "ada/data").private
    assert pushed.private
    assert pushed.url == f"{hub.address}/datasets/ada/data"
    assert hub.titles("dataset", "ada/data") == ["Push dataset with hf-miwv-lmt"]
    assert pushed.commit == hub.store.find("dataset", "ada/data").refs["main"]


def test_pushed_again_nothing_is_sent(hub: HubServer, model: Path) -> None:
    first = push(model, "ada/model")
    sent = len(hub.asked("PUT |/commit/"))
    again = push(model, "ada/model")
    assert (again.written, again.removed, again.commit) == ([], [], first.commit)
    assert len(hub.asked("PUT |/commit/")) == sent
    assert hub.titles("model", "ada/model") == ["Push model with hf-miwv-lmt"]


def test_only_what_changed_is_sent(hub: HubServer, model: Path) -> None:
    push(model, "ada/model")
    (model / "config.json").write_text('{"model_type": "qwen3"}')
    sent = len(hub.asked("PUT "))
    pushed = push(model, "ada/model", message="Another config")
    assert pushed.written == ["config.json", NAME]
    assert len(hub.asked("PUT ")) == sent
    assert hub.titles("model", "ada/model")[0] == "Another config"


def test_files_that_are_gone_go_and_those_of_others_stay(hub: HubServer, model: Path) -> None:
    for name in ("old.txt", "edited.txt"):
        (model / name).write_text(name)
    push(model, "ada/model")
    from huggingface_hub import HfApi

    api = HfApi()
    for name in ("mine.txt", "edited.txt"):
        api.upload_file(path_or_fileobj=b"by hand", path_in_repo=name, repo_id="ada/model")
    for name in ("old.txt", "edited.txt"):
        (model / name).unlink()
    pushed = push(model, "ada/model")
    files = hub.files("model", "ada/model")
    assert pushed.removed == ["old.txt"]
    assert files["mine.txt"] == files["edited.txt"] == b"by hand"
    assert "old.txt" not in files


def test_what_somebody_else_wrote_is_replaced_aloud(
    hub: HubServer, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo("ada/model", private=True)
    api.upload_file(path_or_fileobj=b"# Mine\n", path_in_repo="README.md", repo_id="ada/model")
    push(model, "ada/model")
    assert "replaced, though somebody else wrote it (the history keeps it): README.md" in (caplog.text)


def test_public_only_where_it_is_said(hub: HubServer, model: Path) -> None:
    assert not push(model, "ada/open", private=False).private
    assert not hub.store.find("model", "ada/open").private
    (model / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"ada/open: is public on the Hub.*give --public"):
        push(model, "ada/open")
    assert hub.files("model", "ada/open")["config.json"] != b"{}"
    push(model, "ada/open", private=False)
    assert hub.files("model", "ada/open")["config.json"] == b"{}"


def test_a_private_repository_stays_private(hub: HubServer, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    push(model, "ada/model")
    assert push(model, "ada/model", private=False).private
    assert "ada/model is private and stays so" in caplog.text


def test_a_revision_is_a_branch_of_its_own(hub: HubServer, model: Path) -> None:
    push(model, "ada/model")
    (model / "config.json").write_text("{}")
    push(model, "ada/model", revision="step-100")
    assert hub.files("model", "ada/model", "step-100")["config.json"] == b"{}"
    assert hub.files("model", "ada/model")["config.json"] != b"{}"
    assert push(model, "ada/model", revision="step-100").written == []


def test_a_pull_request_leaves_the_main_branch_alone(hub: HubServer, model: Path) -> None:
    push(model, "ada/model")
    (model / "config.json").write_text("{}")
    pushed = push(model, "ada/model", pull_request=True, message="Please")
    assert pushed.url == f"{hub.address}/ada/model/discussions/1"
    assert hub.files("model", "ada/model")["config.json"] != b"{}"
    assert hub.files("model", "ada/model", "refs/pr/1")["config.json"] == b"{}"
    (model / "config.json").write_text("[]")
    push(model, "ada/model", revision="refs/pr/1")
    assert hub.files("model", "ada/model", "refs/pr/1")["config.json"] == b"[]"
    assert len(hub.store.find("model", "ada/model").pull_requests) == 1


def test_two_configurations_stand_side_by_side(hub: HubServer, scored: Path, chosen: Path) -> None:
    push(scored, "ada/data", config="scored")
    push(chosen, "ada/data", config="chosen")
    entries = card_of(hub)["configs"]
    assert [(one["config_name"], one.get("default")) for one in entries] == [
        ("scored", True),
        ("chosen", None),
    ]
    assert entries[1]["data_files"] == [{"split": "train", "path": "chosen/data/train-*.parquet"}]
    files = hub.files("dataset", "ada/data")
    assert files["scored/run.json"] == (scored / "run.json").read_bytes()
    assert b'load_dataset("ada/data", "chosen", split="train")' in files["chosen/README.md"]
    assert push(scored, "ada/data", config="scored").written == []
    assert push(chosen, "ada/data", config="chosen").written == []


def test_a_whole_folder_keeps_the_configurations_beside_it(hub: HubServer, scored: Path, chosen: Path) -> None:
    push(scored, "ada/data", config="all-rows")
    push(chosen, "ada/data")
    assert [one["config_name"] for one in card_of(hub)["configs"]] == ["chosen", "all-rows"]
    assert [one.get("default") for one in card_of(hub)["configs"]] == [True, None]
    assert push(chosen, "ada/data").written == []
    text = hub.files("dataset", "ada/data")["README.md"].decode()
    assert "- `all-rows`: [card](all-rows/README.md)" in text
    with pytest.raises(InputError, match="has a configuration 'chosen' that was not pushed with"):
        push(scored, "ada/data", config="chosen")


def test_pushes_at_once_lose_nothing(hub: HubServer, scored: Path, chosen: Path) -> None:
    """All read the same head before any commits: the server holds their commits until then."""
    gate = threading.Event()
    held = [hub.fault("POST .*/commit/", wait=gate) for _ in range(3)]
    names = ["a", "b", "c"]
    done: dict[str, Pushed] = {}

    def run(name: str) -> None:
        done[name] = push(scored if name == "a" else chosen, "ada/data", config=name)

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for fault in held:
        assert fault.met.wait(60)
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(done) == names
    assert sorted(one["config_name"] for one in card_of(hub)["configs"]) == names
    assert len(hub.titles("dataset", "ada/data")) == 3
    manifest = json.loads(hub.files("dataset", "ada/data")[NAME])
    assert sorted(manifest["pushed"]) == names


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pytorch_model.bin", b"x", "pytorch_model.bin: is a pickle, which runs code"),
        ("sub/state.pkl", b"x", "state.pkl: is a pickle"),
        ("notes.md", b"key hf_" + b"a" * 34 + b".", "notes.md: holds what looks like a token"),
        ("log.txt", b" " * (2**20 - 9) + b"hf_" + b"b" * 34, "log.txt: holds what looks like a"),
        ("README.md", b"---\nbase_model: /home/ada/base\n---\n", "the base model is '/home/ada/b"),
        ("README.md", b"---\nbase_model: [a/b, ../c]\n---\n", "the base model is '../c', a local"),
        ("README.md", b"---\ntags: [\n---\n", "its metadata cannot be read as YAML"),
        ("adapter_config.json", b'{"base_model_name_or_path": "./base"}', "is './base', a local"),
    ],
)
def test_what_must_not_be_pushed(hub: HubServer, model: Path, name: str, content: bytes, message: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        push(model, "ada/model")
    assert hub.seen == []


def test_the_token_in_use_is_found_whatever_it_looks_like(
    hub: HubServer, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "open sesame")
    (model / "notes.txt").write_text("say open sesame")
    with pytest.raises(InputError, match=r"notes.txt: holds what looks like a token") as refused:
        push(model, "ada/model")
    assert "sesame" not in str(refused.value)


def test_a_base_model_must_be_an_id(hub: HubServer, model: Path) -> None:
    with pytest.raises(InputError, match=r"--base-model ./base: is no id on the Hub: .*; give OWNER/"):
        push(model, "ada/model", base_model="./base")


def test_a_base_model_is_written_into_what_is_pushed(hub: HubServer, model: Path) -> None:
    (model / "README.md").write_text("---\nbase_model: /home/ada/base\ntags: [x]\n---\ntext\n")
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "/home", "r": 8}')
    push(model, "ada/model", base_model="owner/base")
    files = hub.files("model", "ada/model")
    assert files["README.md"] == b"---\nbase_model: owner/base\ntags:\n- x\n---\ntext\n"
    assert json.loads(files["adapter_config.json"]) == {
        "base_model_name_or_path": "owner/base",
        "r": 8,
    }
    assert "/home/ada/base" in (model / "README.md").read_text()


def test_unfinished_work_is_left_out(hub: HubServer, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (model / "checkpoint-7").mkdir()
    for name in ("optimizer.pt", "training_args.bin", ".hidden", "checkpoint-7/model.bin"):
        (model / name).write_text("x")
    push(model, "ada/model")
    assert sorted(hub.files("model", "ada/model")) == [
        "README.md",
        "config.json",
        "model.safetensors",
        NAME,
    ]
    assert ".hidden, checkpoint-7, optimizer.pt, training_args.bin" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"repo_id": "data"},
            "'data': is no repository on the Hub: it is not OWNER/NAME; give OWNER/NAME",
        ),
        ({"repo_id": "a/b/c"}, "'a/b/c': is no repository"),
        ({"revision": "x", "pull_request": True}, "leave one of --revision and --pull-request"),
        ({"config": "a b"}, "--config a b: is no name for a configuration"),
        ({"base_model": "a/b"}, "--base-model a/b: is for models, and .* is a data set"),
    ],
)
def test_arguments_that_cannot_be(hub: HubServer, chosen: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        push(chosen, **{"repo_id": "ada/data", **arguments})
    assert hub.seen == []


def test_folders_that_are_nothing_finished(hub: HubServer, tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        push(tmp_path / "nowhere", "ada/x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has neither safetensors nor the run.json"):
        push(tmp_path / "empty", "ada/x")
    (tmp_path / "empty" / "pytorch_model.bin").write_text("x")
    with pytest.raises(InputError, match="holds weights as pickles and none as safetensors"):
        push(tmp_path / "empty", "ada/x")
    with pytest.raises(InputError, match="--config x: is for data sets"):
        push(model, "ada/x", config="x")


def test_metadata_that_the_hub_refuses_makes_no_repository(hub: HubServer, model: Path) -> None:
    (model / "README.md").write_text("---\nlicense: mine\npipeline_tag: sorcery\n---\n")
    with pytest.raises(InputError, match=r'"license" with value "mine".*; .*"sorcery"'):
        push(model, "ada/model")
    assert not hub.asked("/repos/create")


def test_no_login_is_said_before_anything_is_read(
    hub: HubServer, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="not logged in to the Hub: `hf auth login`"):
        push(model, "ada/model")
    assert hub.seen == []
