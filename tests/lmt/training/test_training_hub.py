"""`hf-lmt train` with a section hub: what is pushed and when, and that nothing is lost by it."""

# ruff: noqa: F811  the fixtures of another file
from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from hub.clients import environment
from hub.server import HubServer

from hf_lmt import Translator
from hf_lmt.commands.recipe import recipe_command
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_miwv.common.command_line import Commands
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.manifest import NAME
from hf_miwv.common.runs.workspace import workspace_of
from tests.lmt.training.test_training import cache, invoke, recipe, refused, succeed, tiny, write  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")

TRAIN = (
    "import logging, sys\n"
    "from hf_lmt.commands.train import train_command\n"
    "logging.basicConfig(level='INFO', format='%(message)s')\n"
    "train_command(sys.argv[1:])\n"
)


@pytest.fixture
def pushing(recipe: dict[str, Any]) -> dict[str, Any]:
    """Each of three steps is saved, and two are kept."""
    return recipe | {"save_steps": 1, "save_total_limit": 2, "hub": {"repo_id": "ada/model", "every_save": True}}


def landed(hub: HubServer, revision: str = "main") -> dict[str, bytes]:
    files = hub.files("model", "ada/model", revision)
    files.pop(NAME, None)
    return files


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def revisions(hub: HubServer) -> list[str]:
    return sorted(hub.store.find("model", "ada/model").refs)


def test_each_save_and_the_finished_model_are_pushed(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    succeed(pushing, tmp_path)
    assert revisions(hub) == ["main", "step-1", "step-2", "step-3"]
    assert hub.store.find("model", "ada/model").private
    assert landed(hub) == read(tmp_path / "out")
    assert len(hub.titles("model", "ada/model")) == 1
    steps = [landed(hub, f"step-{step}") for step in (1, 2, 3)]
    assert len({files["model.safetensors"] for files in steps}) == 3
    assert steps[2]["model.safetensors"] == landed(hub)["model.safetensors"]
    assert {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "chat_template.jinja",
        "translation_prompt.json",
        "recipe.yaml",
        "README.md",
        "trainer_state.json",
    } <= steps[0].keys()
    assert not [name for name in steps[0] if name.endswith((".pt", ".pth", ".bin"))]
    of_ours = {name: content for name, content in steps[0].items() if name != "recipe.yaml"}
    assert not [name for name, content in of_ours.items() if str(tmp_path).encode() in content]
    assert b'revision="step-1"' in steps[0]["README.md"]
    assert not workspace_of(tmp_path / "out").exists()
    first = Translator("ada/model", revision="step-1", num_beams=1, max_new_tokens=4)
    assert first.style.name == "released"
    assert isinstance(first("good morning", src_lang="en", tgt_lang="de"), str)

    succeed(pushing, tmp_path)
    assert f"already there, nothing to push: {hub.address}/ada/model (private)" in caplog.text
    del pushing["hub"]  # where it goes is no part of what it is
    succeed(pushing, tmp_path)
    assert len(hub.titles("model", "ada/model")) == 1


def test_an_adapter_of_a_local_model_names_its_base_on_the_hub(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path
) -> None:
    pushing |= {"use_peft": True, "lora_r": 4, "lora_target_modules": "all-linear", "merge": True, "max_steps": 1}
    refused(invoke(pushing, tmp_path), "by a local path, which nobody else has; give base_model")
    assert hub.seen == []
    pushing["hub"] |= {"base_model": "ada/base", "private": False, "revision": "v1"}
    succeed(pushing, tmp_path)
    assert not hub.store.find("model", "ada/model").private
    files, step = landed(hub, "v1"), landed(hub, "step-1")
    assert {"model.safetensors", "adapter/adapter_model.safetensors"} <= files.keys()
    assert landed(hub) == {}
    for config in (files["adapter/adapter_config.json"], step["adapter_config.json"]):
        assert json.loads(config)["base_model_name_or_path"] == "ada/base"
    for card in (files["README.md"], step["README.md"]):
        assert yaml.safe_load(card.decode().split("---\n")[1])["base_model"] == "ada/base"
    assert json.loads(step["generation_config.json"])
    plain = {name: part for name, part in step.items() if name != "recipe.yaml"}
    assert not [name for name, part in plain.items() if str(tmp_path).encode() in part]


def test_a_push_that_fails_leaves_the_model_and_is_tried_again(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the last checkpoint the first attempt is refused; of the model all of this run."""
    hub.fault("/commit/step-3", status=403, message="no right")
    no_more = hub.fault("/commit/main", status=403, message="no right", times=99)
    result = invoke(pushing, tmp_path)
    refused(
        result, "the model is finished, and whole in", "the token may not write here", "Type the same command again"
    )
    assert "revision step-3 was not pushed, and the training goes on" in caplog.text
    whole = read(tmp_path / "out")
    assert {"model.safetensors", "run.json"} <= whole.keys()
    assert revisions(hub) == ["main", "step-1", "step-2", "step-3"]
    assert landed(hub, "step-3")["model.safetensors"] == whole["model.safetensors"]
    no_more.times = 0
    succeed(pushing, tmp_path)
    assert read(tmp_path / "out") == whole == landed(hub)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"where": "/repos/create", "status": 403, "message": "no right"}, "may not write here"),
        ({"where": "/repos/create", "status": 401}, "does not accept the token"),
    ],
)
def test_a_refusal_is_told_before_the_training(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path, fault: dict[str, Any], message: str
) -> None:
    hub.fault(**fault)
    refused(invoke(pushing, tmp_path), message, "nothing has been done yet")
    assert not (tmp_path / "out").exists()
    assert not workspace_of(tmp_path / "out").exists()


def test_without_a_connection_the_training_goes_on(
    hub: HubServer,
    pushing: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("hf_miwv.common.hub.messages.WAITS", (0,))
    hub.fault(".", status=503, times=10_000)
    refused(invoke(pushing, tmp_path), "the model is finished, and whole in")
    assert "the training begins, and its results are pushed as they come" in caplog.text
    assert "of its checkpoints these are not on the Hub: step-1, step-2, step-3" in caplog.text
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_pushes(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed while the push of the first checkpoint hangs, and that checkpoint is rotated away."""
    pushing["max_steps"] = 6
    gate = threading.Event()
    held = hub.fault("PUT /large", wait=gate, cut=10, times=99)
    path = write(pushing, tmp_path)
    checkpoints = workspace_of(tmp_path / "out") / "checkpoints"
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, "--config", str(path)],
        env=environment(hub, tmp_path / "home", OMP_NUM_THREADS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert held.met.wait(240)
    while not any(checkpoints.glob("checkpoint-[456]/whole")):  # each goes again before long
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gate.set()
    held.times = 0
    assert not (checkpoints / "checkpoint-1").exists()
    assert sorted(folder.name for folder in checkpoints.glob(".pushing/*"))[0] == "step-1"
    succeed(pushing, tmp_path)
    assert "going on from checkpoint-" in caplog.text
    assert revisions(hub) == ["main", *(f"step-{step}" for step in range(1, 7))]
    assert all(landed(hub, revision) for revision in revisions(hub))
    assert landed(hub) == read(tmp_path / "out")


def test_killed_behind_the_last_step_the_rest_is_pushed(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path, tiny: Path
) -> None:
    """The model is there, and two checkpoints wait, one of them torn."""
    succeed({name: value for name, value in pushing.items() if name != "hub"}, tmp_path)
    waiting = workspace_of(tmp_path / "out") / "checkpoints" / ".pushing"
    for name in ("step-8", "step-9.part"):
        shutil.copytree(tiny, waiting / name)
    succeed(pushing, tmp_path)
    assert revisions(hub) == ["main", "step-8"]
    assert landed(hub, "step-8") == read(tiny)
    assert not workspace_of(tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("hub_section", "keys", "messages"),
    [
        ({"every_save": True}, {}, ["hub: every_save: nothing says where to; give repo_id"]),
        (
            {"repo_id": "x", "base_model": "./b"},
            {},
            ["repo_id 'x': the Hub does not take it", "base_model './b': the Hub does not take it"],
        ),
        ({"repo_id": "a/b", "everysave": True}, {}, ["did you mean 'every_save'"]),
        ({"repo_id": "a/b", "every_save": True}, {"save_strategy": "no"}, ["saves nothing"]),
        ({"repo_id": "a/b", "every_save": 7}, {}, ["every_save: 7 is not true or false"]),
    ],
)
def test_what_a_section_cannot_say(
    recipe: dict[str, Any],
    tmp_path: Path,
    hub_section: dict[str, Any],
    keys: dict[str, Any],
    messages: list[str],
) -> None:
    refused(invoke({**recipe, **keys, "hub": hub_section}, tmp_path), *messages)


def test_checkpoints_in_shards_are_not_pushed(pushing: dict[str, Any], tmp_path: Path) -> None:
    path = write(pushing, tmp_path)
    with pytest.raises(InputError, match="every_save: checkpoints of an FSDP launch are in shards"):
        read_training_recipe(path, (), Launch(2, 2, "fsdp"))


@click.group(cls=Commands)
def door() -> None:
    pass


door.add_command(recipe_command)


def test_check_says_what_will_be_pushed(
    hub: HubServer, pushing: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(pushing, tmp_path)
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 0, result.output
    assert (
        "hub: ada/model (private): each checkpoint as the revision step-N, then the finished "
        "model to the branch main\n"
    ) in result.output
    monkeypatch.delenv("HF_TOKEN")
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert "; you are not logged in here: `hf auth login` before training" in result.output
    assert hub.seen == []
