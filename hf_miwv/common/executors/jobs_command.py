"""The command of a job on Hugging Face's machines, which runs the tasks of one command on one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hf_miwv.common.errors import InputError
from hf_miwv.common.executors.executor_settings import ExecutorSettings
from hf_miwv.common.runs.record import DISTRIBUTION, package_version

FLAVOR = "cpu-xl"  # ours: the largest without a GPU
TIMEOUT = "12h"  # ours; the Hub's own default is 30 minutes


def jobs_command(
    settings: ExecutorSettings, program: str, words: Sequence[str], extras: str, output: Path
) -> list[str]:
    """Write the command that runs a command of ours as one job of Hugging Face, in tasks on its processors.

    Not datatrove's own executor for jobs: that gives each task a machine of its own, and the stages between ours
    hand files on, for which the machines would need a disk in common.

    Args:
        settings (`ExecutorSettings`): Tasks, and `flavor`, `timeout`, `namespace` and `volumes` of the job.
        program (`str`): The program, such as "hf-lmt".
        words (`Sequence[str]`): Its arguments, `--executor` among them.
        extras (`str`): Extras of this distribution that the command needs, with commas between.
        output (`Path`): Where the command writes.

    Returns:
        `list[str]`: The words of the command.

    Raises:
        InputError: The output is on no volume, and would go with the machine; or an argument is a file of this one.
    """
    options = dict(settings.options)
    volumes = list(options.get("volumes", []))
    mounted = [volume.removesuffix(":rw").rpartition(":")[2] for volume in volumes if not volume.endswith(":ro")]
    if not any(output.is_relative_to(mount) for mount in mounted):
        raise InputError(
            f"--output {output}: is on the disk of the job's machine, and goes with it; mount a bucket, such as "
            "volumes: [hf://buckets/OWNER/NAME:/out] in --executor-config, and give a folder in /out"
        )
    inner, skips = [], False
    for word in words:
        # What says where the job runs is said anew: on the processors of its machine.
        if skips or word.startswith(("--executor=", "--executor-config=")):
            skips = False
            continue
        if word in ("--executor", "--executor-config"):
            skips = True
            continue
        if Path(word).exists() and not any(Path(word).is_relative_to(mount) for mount in mounted):
            raise InputError(
                f"{word}: lies on this machine, where the job cannot read it; put it into a bucket that is mounted "
                "(volumes in --executor-config), or name a recipe that comes with the package"
            )
        inner.append(word)
    return [
        *("hf", "jobs", "run", "--flavor", str(options.get("flavor", FLAVOR))),
        *("--timeout", str(options.get("timeout", TIMEOUT)), "--secrets", "HF_TOKEN"),
        *(("--namespace", str(options["namespace"])) if "namespace" in options else ()),
        *(word for volume in volumes for word in ("--volume", volume)),
        "ghcr.io/astral-sh/uv:python3.12-bookworm-slim",
        *("uvx", "--from", f"{DISTRIBUTION}[{extras}]=={package_version()}", program, *inner),
        *("--executor", f"local:{settings.tasks}"),
    ]
