"""Begin run.json: command, versions, commit, machine."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import torch

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "sentence-transformers",
    "numpy",
    "pyarrow",
)
DISTRIBUTION = "hf-miwv-lmt"


class Package(TypedDict):
    """The package that a command belongs to; the commit is None where it is not known."""

    name: str
    version: str
    commit: str | None


class Record(TypedDict, total=False):
    """The keys of run.json that all commands share; each command adds its own in a subclass.

    No key is required: a record grows while its run does, older folders lack some, others have no record.
    """

    format: int
    command: str
    command_line: list[str] | None
    package: Package
    versions: dict[str, str]
    identity: dict[str, Any]
    timing: dict[str, Any]


def new_record(command: str, origin: Mapping[str, Any], package: str = "hf_miwv") -> Record:
    """Begin a run.json: the command, the package and commit it belongs to, and the versions it ran with.

    Args:
        command (`str`): Name of the command, such as `"score"`.
        origin (`Mapping`): Where the run comes from; its `"command_line"` is recorded.
        package (`str`, *optional*, defaults to `"hf_miwv"`): The package of the command.

    Returns:
        `Record`: The record, to which the run adds the rest.
    """
    return {
        "format": 1,
        "command": command,
        "command_line": origin.get("command_line"),
        "package": {"name": package, "version": package_version(), "commit": package_commit()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
    }


def package_version() -> str:
    """Return the version of this distribution."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"


def package_commit() -> str | None:
    """Return the git commit of the code that runs; None where that is not known.

    As pip recorded it (PEP 610), else of the checkout that the package lies in, with "and changes"
    behind it where its files are not the commit's.
    """
    try:
        recorded = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        recorded = {}
    if commit := (recorded.get("vcs_info") or {}).get("commit_id"):
        return str(commit)
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():
        return None
    commit = _git(checkout, "rev-parse", "HEAD")
    changed = _git(checkout, "status", "--porcelain", "--", "*.py", "*.jinja", "*.csv")
    return f"{commit} and changes" if commit and changed else commit


def _git(folder: Path, *words: str) -> str | None:
    """Return git's output; None where it is empty, git fails, or git is not installed."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes held: on a CUDA device those of tensors there, else those of this process.

    Args:
        device (`torch.device`): The device of the model.

    Returns:
        `int | None`: Bytes; None on a system that does not count them (Windows).
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
