"""How a run was launched: how many processes, what is sharded between them, on what devices."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.yaml_file import load_mapping
from hf_miwv.common.runs.launched_sharding import asked_sharding

COPY = "hf-lmt recipe copy accelerate"  # and /NAME: how to have a launch file


class Launch(NamedTuple):
    """Hold how a run is launched.

    Args:
        processes (`int`, *optional*, defaults to `1`): Processes of the whole run.
        local_processes (`int`, *optional*, defaults to `1`): Processes of this machine.
        sharding (`str`, *optional*, defaults to `"none"`): "none" (each process holds the whole model), "fsdp",
            "zero1", "zero2" or "zero3".
    """

    processes: int = 1
    local_processes: int = 1
    sharding: str = "none"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Launch:
        """Read the environment that `accelerate launch` or torchrun has set.

        Args:
            environment (`Mapping[str, str]`, *optional*): The environment; by default this process's.

        Returns:
            `Launch`: The launch; one process where nothing is set.
        """
        environment = os.environ if environment is None else environment
        processes = int(environment.get("WORLD_SIZE", "1"))
        local_processes = int(environment.get("LOCAL_WORLD_SIZE", str(processes)))
        return cls(processes, local_processes, asked_sharding(environment))

    @classmethod
    def from_file(cls, path: Path) -> Launch:
        """Read a launch file of `accelerate launch --config_file`.

        Args:
            path (`Path`): The file.

        Returns:
            `Launch`: The launch.

        Raises:
            InputError: it cannot be read, or is no launch file.
        """
        content = load_mapping(path)
        kind = content.get("distributed_type")
        processes, machines = content.get("num_processes", 1), content.get("num_machines", 1)
        whole = all(isinstance(name, int) and name > 0 for name in (processes, machines))
        if kind is None or not whole or processes % machines:
            raise InputError(
                f"{path} is no launch file of accelerate: it needs distributed_type, and "
                f"num_processes that are a multiple of num_machines; `{COPY}/ddp` writes one"
            )
        return cls(processes, processes // machines, _sharding(path, str(kind), content))

    @property
    def sharded(self) -> bool:
        """Check whether a process holds a part of the weights only."""
        return self.sharding in ("fsdp", "zero3")

    @property
    def words(self) -> str:
        """Return the launch in words for messages: "8 processes, fsdp"."""
        count = f"{self.processes} process{'es' * (self.processes > 1)}"
        return count if self.sharding == "none" else f"{count}, {self.sharding}"


def _sharding(path: Path, kind: str, content: Mapping[Any, Any]) -> str:
    if kind not in ("NO", "FSDP", "DEEPSPEED") and not kind.startswith("MULTI_"):
        raise InputError(
            f"{path}: distributed_type {kind} is not known here; give NO, MULTI_GPU, FSDP or DEEPSPEED "
            "(`hf-lmt recipe list` shows launch files)"
        )
    if content.get("parallelism_config"):
        raise InputError(f"{path}: parallelism_config (tensor or context parallelism) is not known here; leave it out")
    if kind == "FSDP":
        return "fsdp"
    if kind == "DEEPSPEED":
        return f"zero{(content.get('deepspeed_config') or {}).get('zero_stage', 2)}"
    return "none"


def check_devices(launch: Launch, use_cpu: bool, devices: int) -> None:
    """Make sure that each process of this machine has a GPU of its own, before any is asked for.

    Args:
        launch (`Launch`): The launch.
        use_cpu (`bool`): The recipe's key; then no GPU is needed.
        devices (`int`): Accelerators that this machine shows.

    Raises:
        InputError: no GPU, fewer than processes, or several for the only process.
    """
    if use_cpu:
        return
    if devices == 0:
        raise InputError("no GPU is to be seen here; to train on the CPU give use_cpu: true (--use_cpu true)")
    if launch.local_processes > devices:
        raise InputError(
            f"the launch file starts {launch.local_processes} processes on this machine, which shows "
            f"{devices} GPU{'s' * (devices > 1)} (CUDA_VISIBLE_DEVICES counts); set num_processes "
            f"to {devices} (--num_processes {devices})"
        )
    if launch.processes == 1 and devices > 1:
        raise InputError(
            f"{devices} GPUs are visible to one process, which uses only one; start a process for "
            f"each with `accelerate launch` (`{COPY}/ddp`), or take one process (`{COPY}/one_gpu`), or "
            "set CUDA_VISIBLE_DEVICES to one of them"
        )
