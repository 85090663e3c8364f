"""Rewards by name, as a recipe has them: short names of this package, and dotted paths of anybody's functions."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hf_lmt.rewards
from hf_lmt.rewards.reward_columns import Reward
from hf_miwv.common.errors import InputError, did_you_mean

PACKAGE = "hf_lmt.rewards"
MAKERS = ("DEFAULT_GATES", "combined", "gated", "make_comet_reward", "make_coverage")
SHORT_NAMES = tuple(name for name in hf_lmt.rewards.__all__ if name not in MAKERS)
"""Functions that a name without a dot stands for."""
OF_COMET = {"comet": True, "comet_kiwi": False, "gated_comet": True, "gated_kiwi": False}
"""Rewards by a COMET model -> whether they read references; another model can be given for them."""
OVERLAP = ("chrf", "bleu", "gated_chrf")
"""Rewards by the overlap with a reference."""


def find_reward(name: str) -> Reward:
    """Find the reward of a name; nothing is loaded yet that a reward needs.

    Args:
        name (`str`): One of SHORT_NAMES, or the dotted path of a function, module and name, in an installed package
            or in the working directory.

    Returns:
        `Reward`: The function.

    Raises:
        InputError: There is no such function, it cannot be imported, or it is asynchronous.
    """
    if name in SHORT_NAMES:
        return getattr(hf_lmt.rewards, name)
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        raise InputError(
            f"reward {name!r}: {did_you_mean(name, SHORT_NAMES)}, or a dotted path: package.module.function"
        )
    try:
        with _working_directory_importable():
            module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"reward {name!r}: {module_name} cannot be imported ({error}); give the dotted path of a function in an "
            "installed package or in a file of the working directory"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        hint = did_you_mean(function_name, functions) if functions else "the module has no functions"
        raise InputError(f"reward {name!r}: {module_name} has no function {function_name!r}; {hint}")
    if inspect.iscoroutinefunction(function):
        raise InputError(f"reward {name!r} is asynchronous; give a plain function of lists")
    return function


def make_reward(
    name: str,
    model: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    base_url: str | None = None,
) -> Reward:
    """Find the reward of a name, with a COMET model, its dtype, its device or its server of your own.

    Args:
        name (`str`): As in `find_reward`.
        model (`str`, *optional*): Folder or OWNER/NAME of a COMET model, for a reward of OF_COMET.
        dtype (`str`, *optional*): Of its encoder, as in `make_comet_reward`.
        device (`str`, *optional*): Where it lies, as in `make_comet_reward`.
        base_url (`str`, *optional*): Where it is served, as in `make_comet_reward`.

    Returns:
        `Reward`: The function.

    Raises:
        InputError: As `find_reward` and `make_comet_reward`; or settings of a COMET model for a reward that has none.
    """
    function = find_reward(name)
    if model is None and dtype is None and device is None and base_url is None:
        return function
    short = name.removeprefix(f"{PACKAGE}.")
    if short not in OF_COMET:
        raise InputError(
            f"reward {name!r} has no COMET model; model, dtype, device and base_url are for {', '.join(OF_COMET)}"
        )
    from hf_lmt.rewards.comet_rewards import make_comet_reward
    from hf_lmt.rewards.default_rewards import DEFAULT_GATES
    from hf_lmt.rewards.gating import gated

    plain: Any = getattr(function, "reward", function)
    made = make_comet_reward(
        model or (plain.model if base_url is None else None),
        references=OF_COMET[short],
        dtype=dtype,
        device=device,
        name=plain.__name__,
        base_url=base_url,
    )
    return made if plain is function else gated(made, *DEFAULT_GATES, name=short)


def reward_identity(function: Reward, name: str, *, loaded: bool = False) -> dict[str, Any]:
    """Describe what decides about the values of a reward, for the record of a run.

    Args:
        function (`Reward`): The reward.
        name (`str`): The name that it was found by.
        loaded (`bool`, *optional*, defaults to `False`): Whether a COMET model that was loaded tells its revision.

    Returns:
        `dict[str, Any]`: `name`; `path`, the dotted path; of a function from elsewhere `sha256` of its file; of
        COMET's `model`; of one that is served `served`, all that the server says of it; of a gated reward `gates`.

    Raises:
        InputError: The server of a served COMET cannot be reached.
    """
    path = f"{PACKAGE}.{name}" if name in SHORT_NAMES else name
    identity: dict[str, Any] = {"name": str(getattr(function, "__name__", name)), "path": path}
    if not path.startswith(f"{PACKAGE}."):
        file = inspect.getsourcefile(inspect.unwrap(function)) if inspect.isfunction(function) else None
        identity["sha256"] = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    scored: Any = getattr(function, "reward", function)
    if getattr(scored, "served", None) is not None:
        # without its address: the same model at another is the same reward
        identity |= {"model": scored.served.identity, "served": scored.served.description}
    elif hasattr(scored, "model"):
        identity["model"] = scored.loaded[0].identity if loaded and scored.loaded else scored.model
    if hasattr(function, "gates"):
        identity["gates"] = [gate.__name__ for gate in function.gates]
    return identity


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    """Let the working directory be imported from, as `trl grpo` does; a console script does not."""
    directory = os.getcwd()
    added = directory not in sys.path and "" not in sys.path
    if added:
        sys.path.insert(0, directory)
    try:
        yield
    finally:
        if added:
            sys.path.remove(directory)
