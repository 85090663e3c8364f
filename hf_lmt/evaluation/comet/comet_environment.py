"""An environment for COMET: `unbabel-comet` needs older libraries than ours, and so its own."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

from hf_miwv.common.errors import InputError

REQUIREMENTS = ("unbabel-comet==2.2.7", "setuptools<81")  # its torchmetrics needs pkg_resources
READY = "comet-is-installed"

logger = logging.getLogger(__name__)


def comet_environment(folder: str | Path, consent: bool = False) -> Path:
    """Return the Python of an environment with COMET, which is made on first use if there is consent.

    Args:
        folder (`str | Path`): Of a virtual environment, either one that has `unbabel-comet`, or the place for one.
        consent (`bool`, *optional*, defaults to `False`): Whether to make it: some gigabytes, from the package
            index that pip is set to.

    Returns:
        `Path`: Path of the interpreter.

    Raises:
        InputError: there is none and no consent: the message has the commands; or it could not be
            made: the message ends as pip's does.
    """
    folder = Path(folder).absolute()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / READY).exists() or has_comet(python):
        return python
    create = [sys.executable, "-m", "venv", str(folder)]
    install = [str(python), "-m", "pip", "install", *REQUIREMENTS]
    if not consent:
        raise InputError(
            f"COMET is not installed in {folder}; it needs an environment of its own, because it "
            "works with older libraries only. Run the command again with consent to install it, "
            f"or make it yourself:\n  {shlex.join(create)}\n  {shlex.join(install)}\n"
            "All other metrics go on without it"
        )
    for command in (create, install):
        logger.info("running %s", shlex.join(command))
        _run(command)
    (folder / READY).touch()
    return python


def has_comet(python: Path) -> bool:
    """Check whether a Python can import COMET, of any version.

    Args:
        python (`Path`): Path of the interpreter.

    Returns:
        `bool`: False also where there is none.
    """
    if not python.exists():
        return False
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('comet') is None)"
    return subprocess.run([str(python), "-c", code], check=False).returncode == 0  # noqa: S603


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-10:])
        raise InputError(
            f"{shlex.join(command)} failed, and COMET with it; the rest goes on without it. It said:\n{tail}"
        )
