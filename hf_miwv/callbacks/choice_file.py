"""The choice of rows on disk: which rows are trained on, under which settings."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.flushing import flush
from hf_miwv.common.trainer.live_trainer import checkpoint_of

CHOICE = "miwv_choice.json"


@dataclass(frozen=True)
class Choice:
    """Hold the rows chosen at a step of the training.

    Attributes:
        step (`int`): The step.
        numbers (`dict[str, float]`): Numbers that are logged of the choice.
        rows (`list[str]`): Keys of the rows, in the training set's order.
    """

    step: int
    numbers: dict[str, float]
    rows: list[str]


@dataclass
class Choices:
    """Hold the content of a choice file.

    Attributes:
        identity (`dict[str, Any]`): The facts that the first choice depends on (rows, model, settings), by name.
        first (`Choice`): The choice before training.
        current (`Choice`): The choice in force.
        next (`Choice`, *optional*): A choice that is made and not in force yet, because batches were fetched
            ahead.
    """

    identity: dict[str, Any]
    first: Choice
    current: Choice
    next: Choice | None = None

    @property
    def latest(self) -> Choice:
        """Return the choice that was made last, in force or not."""
        return self.next or self.current


def write_choices(path: Path, choices: Choices) -> None:
    """Write the file as a whole: aside, flushed to disk, renamed.

    Args:
        path (`Path`): The file.
        choices (`Choices`): Its content.
    """
    _replace(path, (json.dumps(asdict(choices), indent=1) + "\n").encode())


def read_choices(path: Path) -> Choices | None:
    """Read the file of `write_choices`; None where there is no such file, or not a whole one.

    Args:
        path (`Path`): The file.

    Returns:
        `Choices | None`: Its content.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        later = Choice(**content["next"]) if content["next"] else None
        return Choices(content["identity"], Choice(**content["first"]), Choice(**content["current"]), later)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def saved_choices(folder: Path, state: TrainerState) -> Choices | None:
    """Read the choices in force when this state was saved, if its checkpoint lies in `folder`.

    Args:
        folder (`Path`): The trainer's output folder.
        state (`TrainerState`): The state.

    Returns:
        `Choices | None`: The choices; None without such a checkpoint.
    """
    checkpoint = checkpoint_of(folder, state)
    try:
        saved_state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    except OSError:
        return None
    # The same step number may be that of an earlier training in this folder; its log gives it away.
    if json.dumps(saved_state.log_history) != json.dumps(state.log_history):  # of another run
        return None
    copy = read_choices(checkpoint / CHOICE)
    if copy is None:  # killed between the checkpoint and its copy: nothing came after it
        copy = read_choices(folder / CHOICE)
        return copy if copy and copy.latest.step <= state.global_step else None
    return copy


def write_neighbors(path: Path, identity: dict[str, Any], neighbors: np.ndarray) -> None:
    """Write the nearest other row of each row, (N,) int64, and what it depends on.

    Args:
        path (`Path`): The file.
        identity (`dict[str, Any]`): The facts that the neighbors depend on.
        neighbors (`np.ndarray`): (N,) int64.
    """
    part = path.with_name(f"{path.name}.part")
    with open(part, "wb") as file:
        np.savez(file, neighbors=neighbors, identity=np.array(json.dumps(identity)))
    _put(part, path)


def read_neighbors(path: Path, identity: dict[str, Any]) -> np.ndarray | None:
    """Read the neighbors that `write_neighbors` wrote under the same identity; None otherwise.

    Args:
        path (`Path`): The file.
        identity (`dict[str, Any]`): The facts that the neighbors must depend on.

    Returns:
        `np.ndarray | None`: (N,) int64.
    """
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as archive:
        same = str(archive["identity"]) == json.dumps(identity)
        return archive["neighbors"] if same else None


def positions(chosen: Sequence[str], keys: Sequence[str], source: str) -> list[int]:
    """Find where the chosen rows lie in a training set, in its order.

    Of rows with equal keys the first are meant: they have equal scores, and ties go by row order.

    Args:
        chosen (`Sequence[str]`): Keys of the chosen rows.
        keys (`Sequence[str]`): N keys of the training set.
        source (`str`): Origin of the choice, for the message.

    Returns:
        `list[int]`: Positions, ascending.

    Raises:
        InputError: a chosen row is not in the training set.
    """
    positions_of: dict[str, list[int]] = defaultdict(list)
    # From the end, so that pop() takes the first row of several with the same key.
    for position in reversed(range(len(keys))):
        positions_of[keys[position]].append(position)
    missing = 0
    chosen_positions = []
    for key in chosen:
        if positions_of[key]:
            chosen_positions.append(positions_of[key].pop())
        else:
            missing += 1
    if missing:
        raise InputError(
            f"{source}: {missing} of its {len(chosen)} rows are not in this training set; give "
            "the trainer the same rows and tokenizer as before, or another output_dir"
        )
    return sorted(chosen_positions)


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    _put(part, path)


def _put(part: Path, path: Path) -> None:
    flush(part)
    os.replace(part, path)
