"""Launches that ask for shards: read, and refused where accelerate would not divide anything."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from trainers import make_trainer

from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.launched_sharding import (
    asked_sharding,
    check_can_shard,
    refuse_shards,
    sharding_by_settings,
)
from hf_miwv.common.trainer.divided_weights import check_sharding

FSDP = {"ACCELERATE_USE_FSDP": "true"}


@pytest.mark.parametrize(
    ("environment", "sharding"),
    [
        ({}, "none"),
        ({"ACCELERATE_USE_FSDP": "false"}, "none"),
        (FSDP, "fsdp"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "zero2"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "zero3"),
    ],
)
def test_the_environment_is_read(environment: dict[str, str], sharding: str) -> None:
    assert asked_sharding(environment) == sharding


@pytest.mark.parametrize(
    ("name", "words"), [("MEGATRON_LM", "Megatron-LM"), ("PARALLELISM_CONFIG", "tensor or context parallelism")]
)
def test_kinds_that_nobody_here_knows(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        asked_sharding({f"ACCELERATE_USE_{name}": "true"})


@pytest.mark.parametrize("asked", ["fsdp", "zero2"])
def test_no_shards_on_the_cpu(asked: str) -> None:
    check_can_shard("none", use_cpu=True)
    with pytest.raises(InputError, match=f"asks for {asked}, which accelerate has for several accelerators only"):
        check_can_shard(asked, use_cpu=True)


@pytest.mark.parametrize("command", ["score rows.jsonl --model m --output out", "train --config miwv/smoke"])
def test_models_are_not_scored_in_shards(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_shards("scoring", environment={})
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2
    words = " ".join(result.output.split())
    assert "the launch file asks for fsdp, and scoring" in words
    assert "needs the whole model in each process; take accelerate/multi_gpu" in words


@pytest.mark.parametrize(
    ("settings", "sharding"),
    [
        ({}, "none"),
        ({"fsdp": ""}, "none"),
        ({"fsdp": "full_shard"}, "fsdp"),
        ({"deepspeed": {"zero_optimization": {"stage": 3}}}, "zero3"),
        ({"deepspeed": {}}, "none"),
    ],
)
def test_the_recipe_is_read(settings: dict[str, Any], sharding: str) -> None:
    assert sharding_by_settings(settings) == sharding


def test_deepspeed_settings_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "zero.json"
    path.write_text('{"zero_optimization": {"stage": 2}}')
    assert sharding_by_settings({"deepspeed": str(path)}) == "zero2"


@pytest.mark.parametrize(
    ("kind", "stage", "sharding"),
    [
        ("NO", None, "none"),
        ("MULTI_CPU", None, "none"),
        ("MULTI_GPU", None, "none"),
        ("FSDP", None, "fsdp"),
        ("DEEPSPEED", 3, "zero3"),
        ("MEGATRON_LM", None, "megatron_lm"),
    ],
)
def test_a_trainer_that_does_otherwise_is_refused(kind: str, stage: int | None, sharding: str) -> None:
    state = SimpleNamespace(
        distributed_type=SimpleNamespace(value=kind), deepspeed_plugin=SimpleNamespace(zero_stage=stage)
    )
    trainer = SimpleNamespace(accelerator=SimpleNamespace(state=state))
    check_sharding(trainer, sharding)
    other = "fsdp" if sharding != "fsdp" else "none"
    with pytest.raises(InputError, match=f"sharding {other}, and the trainer has {sharding} "):
        check_sharding(trainer, other)


def test_a_real_trainer_divides_nothing(tmp_path: Path) -> None:
    trainer: Any = make_trainer(tmp_path)
    check_sharding(trainer, "none")
    with pytest.raises(InputError, match=r"ask for sharding fsdp, and the trainer has none \(distributed_type NO\)"):
        check_sharding(trainer, "fsdp")
