"""Libraries that one command needs and the others do without: the extras of pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

from hf_miwv.common.errors import InputError


def need(extra: str, purpose: str, *modules: str, instead: str = "") -> None:
    """Check that the modules of an extra are installed, before any work begins.

    Args:
        extra (`str`): Name of the extra in pyproject.toml, such as "judge".
        purpose (`str`): What needs them, as the subject of a sentence: "an endpoint as judge".
        *modules (`str`): Names by which they are imported.
        instead (`str`): What can be done without them, as the end of a sentence: "or ...".

    Raises:
        InputError: Any of them is missing; the message has the line that installs the extra.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        install = f"run pip install 'hf-miwv-lmt[{extra}]'" + (f", {instead}" if instead else "")
        raise InputError(f"{purpose} needs {' and '.join(missing)}, not installed here; {install}")
