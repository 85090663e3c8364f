"""The rows of an optimizer step, as a recipe gives them, and the accumulation that follows."""

from __future__ import annotations

from typing import Any

BATCH = "global_batch_size"
PER_DEVICE = "per_device_train_batch_size"
ACCUMULATION = "gradient_accumulation_steps"
DEFAULT_PER_DEVICE = 8  # TRL's own


def set_accumulation(training: dict[str, Any], batch: Any, processes: int, faults: list[str]) -> None:
    """Set the accumulation so that global batch = processes x rows of each device x accumulation.

    What cannot be divided goes to `faults`, with the numbers.

    Args:
        training (`dict[str, Any]`): The recipe's keys about training, to which the accumulation is added.
        batch (`int | None`): Rows of an optimizer step over all processes; None leaves the keys as they are.
        processes (`int`): Processes of the launch.
        faults (`list[str]`): Takes what cannot be, with the numbers.
    """
    if batch is None:
        return
    if ACCUMULATION in training:
        faults.append(f"{ACCUMULATION} follows from {BATCH} and the processes; give one of them")
        return
    each = training.get(PER_DEVICE, DEFAULT_PER_DEVICE)
    if not isinstance(each, int) or not isinstance(batch, int) or min(each, batch) < 1:
        faults.append(f"{BATCH} {batch} and {PER_DEVICE} {each}: give whole numbers, 1 or more")
        return
    step = processes * each
    if batch % step:
        fitting = [size for size in range(1, batch + 1) if batch % (processes * size) == 0]
        advice = (
            f"give {PER_DEVICE}: {min(fitting, key=lambda size: abs(size - each))}"
            if fitting
            else f"no number of rows fits {processes} processes; change {BATCH}"
        )
        faults.append(
            f"{BATCH} {batch} is no multiple of {step}: {processes} "
            f"process{'es' * (processes > 1)} x {each} rows each ({PER_DEVICE}); {advice}"
        )
        return
    training[ACCUMULATION] = batch // step
