"""How a run was launched: what the environment and the launch files say, and what devices allow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hf_lmt.recipes.launch import Launch, check_devices
from hf_miwv.common.errors import InputError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("launch", "use_cpu", "devices", "message"),
    [
        (Launch(1, 1), True, 0, None),
        (Launch(1, 1), False, 1, None),
        (Launch(16, 8), False, 8, None),
        (Launch(1, 1), False, 0, "no GPU is to be seen"),
        (Launch(8, 8), False, 2, "starts 8 processes on this machine, which shows 2 GPUs"),
        (Launch(1, 1), False, 4, "4 GPUs are visible to one process"),
    ],
)
def test_processes_need_devices(launch: Launch, use_cpu: bool, devices: int, message: str | None) -> None:
    if message is None:
        check_devices(launch, use_cpu, devices)
    else:
        with pytest.raises(InputError, match=message):
            check_devices(launch, use_cpu, devices)


@pytest.mark.parametrize(
    ("environment", "launch"),
    [
        ({}, Launch()),
        ({"WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}, Launch(16, 8)),
        ({"WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "true"}, Launch(2, 2, "fsdp")),
        (
            {"WORLD_SIZE": "2", "ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"},
            Launch(2, 2, "zero3"),
        ),
    ],
    ids=["alone", "machines", "fsdp", "zero3"],
)
def test_the_launcher_is_read(environment: dict[str, str], launch: Launch) -> None:
    assert Launch.from_environment(environment) == launch


@pytest.mark.parametrize(
    ("name", "launch"),
    [
        ("cpu", Launch(2, 2)),
        ("one_gpu", Launch()),
        ("ddp", Launch(8, 8)),
        ("multi_node", Launch(16, 8)),
        ("fsdp2", Launch(8, 8, "fsdp")),
        ("deepspeed_zero2", Launch(8, 8, "zero2")),
        ("deepspeed_zero3", Launch(8, 8, "zero3")),
    ],
)
def test_launch_files(name: str, launch: Launch) -> None:
    assert Launch.from_file(ROOT / "recipes" / "accelerate" / f"{name}.yaml") == launch


def test_launch_files_say_when_they_ran_last() -> None:
    for path in (ROOT / "recipes" / "accelerate").glob("*.yaml"):
        (line,) = [line for line in path.read_text().splitlines() if line.startswith("# Last run: ")]
        assert re.match(r"# Last run: (20\d\d-\d\d-\d\d|not run yet\.$)", line), path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("distributed_type: MEGATRON_LM", "distributed_type MEGATRON_LM is not known here"),
        (
            "distributed_type: FSDP\nparallelism_config: {parallelism_config_tp_size: 2}",
            "tensor or context parallelism",
        ),
    ],
)
def test_launch_files_of_other_kinds(settings: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "launch.yaml"
    path.write_text(settings)
    with pytest.raises(InputError, match=message):
        Launch.from_file(path)
