"""What goes wrong on the way to the Hub: connections, refusals, kills; nothing is lost by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub.clients import environment, run_python
from hub.server import HubServer

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.background import BackgroundPush
from hf_miwv.common.hub.manifest import NAME
from hf_miwv.common.hub.push import push
from hf_miwv.common.hub.push_checkpoints import PushCheckpoints

PUSH = (
    "import logging, sys\n"
    "from hf_miwv.common.hub.push_command import push_command\n"
    "logging.basicConfig(level='INFO', format='%(message)s')\n"
    "push_command(sys.argv[1:])\n"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.safetensors").write_bytes(name.encode() * 100_000)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def landed(hub: HubServer, revision: str = "main") -> dict[str, bytes]:
    files = hub.files("model", "ada/model", revision)
    files.pop(NAME, None)
    return files


PASSING = {
    "503 where files are sent": {"where": "PUT /large", "status": 503},
    "503 where the repository is made": {"where": "POST /api/repos/create", "status": 503},
    "503 where it is asked for": {"where": "GET /api/models/ada/model", "status": 503},
    "502 at the commit": {"where": "POST .*/commit/", "status": 502},
    "502 after the commit was made": {"where": "/commit/", "status": 502, "after_done": True},
    "409 at the commit": {"where": "POST .*/commit/", "status": 409, "times": 2},
    "a connection cut in the middle of a file": {"where": "PUT /large", "cut": 100_000},
    "a connection cut in the middle of the commit": {"where": "/commit/", "cut": 100},
    "a rate limit": {"where": "/preupload/", "status": 429, "headers": {"Retry-After": "0"}},
    "a rate limit at the commit": {
        "where": "/commit/",
        "status": 429,
        "headers": {"Retry-After": "0"},
    },
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_by_itself_is_waited_for(hub: HubServer, model: Path, fault: dict[str, Any]) -> None:
    told = hub.fault(**fault)
    pushed = push(model, "ada/model")
    assert told.met.is_set()
    assert landed(hub) == read(model)
    assert len(hub.titles("model", "ada/model")) == 1
    assert pushed.written == sorted([*read(model), NAME])


REFUSED = {
    "401": ({"where": "/repos/create", "status": 401}, "does not accept the token; log in anew"),
    "403": (
        {"where": "/preupload/", "status": 403, "message": "no right"},
        r"the token may not write here \(no right\); take one with the role `write`",
    ),
    "403 of the storage": (
        {"where": "/objects/batch", "status": 403, "message": "Private storage limit reached"},
        r"no room left \(Private storage limit reached\); free some",
    ),
    "404": ({"where": "/preupload/", "status": 404}, "no such repository or revision"),
    "409": ({"where": "/commit/", "status": 409, "times": 99}, "other commits came in between"),
    "413": ({"where": "/commit/", "status": 413}, "larger than the Hub takes"),
    "413 of a part": ({"where": "PUT /large", "status": 413}, "larger than the Hub takes"),
    "402": (
        {"where": "/commit/", "status": 402, "message": "Pay first"},
        r"the Hub asks for payment \(Pay first\)",
    ),
    "429 for too long": (
        {"where": "/repos/create", "status": 429, "times": 9, "headers": {"Retry-After": "0"}},
        "asks for fewer requests; push once more in some minutes",
    ),
    "503 for too long": (
        {"where": "/repos/create", "status": 503, "times": 9},
        r"the Hub refuses \(told to\); the same command goes on with what has not arrived yet",
    ),
    "the quota at the commit": (
        {"where": "/commit/", "status": 403, "message": "You have exceeded your storage quota"},
        "no room left .*free some, or push to another account",
    ),
    "400": ({"where": "/commit/", "status": 400, "message": "so not"}, r"refuses \(so not\)"),
}


@pytest.mark.parametrize(("fault", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_said_plainly_and_nothing_is_lost(
    hub: HubServer,
    model: Path,
    fault: dict[str, Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hf_miwv.common.hub.push.CONFLICT_WAITS", (0, 0, 0))
    monkeypatch.setattr("hf_miwv.common.hub.messages.WAITS", (0,))
    before = read(model)
    told = hub.fault(**fault)
    with pytest.raises(InputError, match=message) as refused:
        push(model, "ada/model")
    assert "the folder here is as it was" in str(refused.value)
    assert hub.token not in str(refused.value)
    assert read(model) == before
    told.times = 0
    if fault["where"] != "/repos/create":
        assert landed(hub) == {}
    push(model, "ada/model")
    assert landed(hub) == before


def test_a_file_that_is_too_large_and_a_wrong_account(hub: HubServer, model: Path) -> None:
    hub.largest = 100_000
    with pytest.raises(InputError, match=r"larger than the Hub takes .*File too large: 300000 byt"):
        push(model, "ada/model")
    with pytest.raises(InputError, match="bob/model: the token may not write here"):
        push(model, "bob/model")
    with pytest.raises(InputError, match="ada/none: the Hub has no such repository"):
        push(model, "ada/none", pull_request=True)
    hub.tokens.clear()
    with pytest.raises(InputError, match="does not accept the token"):
        push(model, "ada/model")


def test_no_hub_at_all(hub: HubServer, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub.server_close()
    hub.shutdown()
    monkeypatch.setattr("hf_miwv.common.hub.messages.WAITS", (0,))
    with pytest.raises(InputError, match=r"ada/model: the Hub cannot be reached \("):
        push(model, "ada/model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set; unset it; the folder here"):
        push(model, "ada/model")


def test_what_arrived_is_not_sent_again(hub: HubServer, model: Path) -> None:
    hub.fault("/commit/", status=400)
    with pytest.raises(InputError):
        push(model, "ada/model")
    sent = len(hub.asked("PUT /large"))
    push(model, "ada/model")
    assert (sent, len(hub.asked("PUT /large"))) == (2, 2)


def test_large_files_go_in_parts(hub: HubServer, model: Path) -> None:
    hub.part_size = 128_000
    hub.fault("PUT .*/2$", status=503)
    push(model, "ada/model")
    assert landed(hub) == read(model)
    assert len(hub.asked(r"PUT .*/\d$")) == 3 + 3 + 1


@pytest.mark.parametrize("where", ["PUT /large", "POST .*/commit/"])
def test_killed_in_the_middle_and_typed_again(hub: HubServer, tmp_path: Path, model: Path, where: str) -> None:
    """A new repository with a first push behind it, so that a half of the second would show."""
    push(model, "ada/model")
    before = landed(hub)
    (model / "one.safetensors").write_bytes(b"other" * 100_000)
    (model / "config.json").write_text("{}")
    hub.part_size = 200_000
    held = hub.fault(where + (".*/2$" if "PUT" in where else ""), cut=10, times=99)
    around = environment(hub, tmp_path / "home")
    command = [sys.executable, "-c", PUSH, str(model), "ada/model"]
    process = subprocess.Popen(command, env=around, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert held.met.wait(120)
    os.kill(process.pid, signal.SIGKILL)
    output, _ = process.communicate()
    assert landed(hub) == before
    assert hub.token.encode() not in output
    held.times = 0
    again = run_python(PUSH, around, model, "ada/model")
    assert again.returncode == 0, again.stderr
    assert "pushed: 3 files" in again.stderr
    assert f"to {hub.address}/ada/model (private)" in again.stderr
    assert landed(hub) == read(model)
    assert len(hub.titles("model", "ada/model")) == 2
    assert hub.token not in again.stdout + again.stderr
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in everything if hub.token.encode() in path.read_bytes()]


def test_checkpoints_are_pushed_in_the_background(hub: HubServer, model: Path) -> None:
    """The checkpoint may be gone as soon as the call returns."""
    contents = read(model)
    with BackgroundPush() as background:
        held = hub.fault("GET .*/tree/")
        background.push_revision(model, "ada/model", "step-1")
        for path in model.iterdir():
            path.unlink()
    assert held.met.is_set()
    assert landed(hub, "step-1") == contents
    assert landed(hub) == {}
    assert background.close() == {}
    assert not (model.parent / ".pushing").exists()


def test_a_program_that_ends_in_an_error_still_finishes_its_pushes(
    hub: HubServer, tmp_path: Path, model: Path
) -> None:
    """Nobody waits, and the client needs threads of its own for the two large files."""
    code = (
        "import sys\n"
        "from hf_miwv.common.hub.background import BackgroundPush\n"
        "BackgroundPush().push_revision(sys.argv[1], 'ada/model', 'step-1')\n"
        "raise RuntimeError('the training failed')\n"
    )
    done = run_python(code, environment(hub, tmp_path / "home"), model)
    assert done.returncode == 1
    assert "the training failed" in done.stderr
    assert landed(hub, "step-1") == read(model)


def test_a_push_that_fails_in_the_background_ends_nothing(
    hub: HubServer, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.fault("/preupload/", status=403, message="no right")
    background = BackgroundPush()
    background.push_revision(model, "ada/model", "step-1")
    background.push_revision(model.with_name("nowhere"), "ada/model", "step-2")
    background.push_revision(model, "ada/model", "step-3")
    failed = background.close()
    assert sorted(failed) == ["step-1", "step-2"]
    assert "revision step-1 was not pushed, and the training goes on: ada/model: the token" in (caplog.text)
    assert landed(hub, "step-3") == read(model)


def test_a_trainer_pushes_what_it_saves(hub: HubServer, tmp_path: Path) -> None:
    from datasets import Dataset
    from tiny import make_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    rows = [{"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4]}] * 8
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "run"),
        max_steps=3,
        save_steps=1,
        save_total_limit=1,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        eval_strategy="steps",
        eval_steps=1,
        metric_for_best_model="loss",
    )
    trainer = Trainer(
        model=make_model("llama"),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows),
        callbacks=[PushCheckpoints("ada/model")],
    )
    trainer.train()
    steps = {f"step-{step}": landed(hub, f"step-{step}") for step in (1, 2, 3)}
    assert len({files["model.safetensors"] for files in steps.values()}) == 3
    assert all(not name.endswith((".pt", ".pth", ".bin")) for name in steps["step-3"])
    state = steps["step-3"]["trainer_state.json"]
    assert json.loads(state)["best_model_checkpoint"].startswith("checkpoint-")
    assert str(tmp_path).encode() not in b"".join(steps["step-3"].values())
    own = (tmp_path / "run" / "checkpoint-3" / "trainer_state.json").read_bytes()
    assert str(tmp_path).encode() in own  # what is pushed is linked, and was not written into
    back = AutoModelForCausalLM.from_pretrained("ada/model", revision="step-3", cache_dir=str(tmp_path / "cache"))
    saved, kept = back.state_dict(), trainer.model.state_dict()
    assert all((saved[name] == kept[name].cpu()).all() for name in kept)
