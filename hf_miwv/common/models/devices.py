"""Where a model is put: on one device, or split over all that are here."""

from __future__ import annotations

import logging
import os
from itertools import groupby
from typing import Any

import torch

from hf_miwv.common.errors import InputError

SPLIT = "split"

logger = logging.getLogger(__name__)


def pick_device(device: str | None) -> torch.device:
    """Return `device`, or the accelerator at hand, or the CPU.

    For "split" it is the first accelerator: where what is not split goes beside a model that is.

    Args:
        device (`str`, *optional*): A device as torch writes it, or "split".

    Returns:
        `torch.device`: The device.

    Raises:
        InputError: the device is not here.
    """
    if device is None or device == SPLIT:
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        if accelerator is None:
            return torch.device("cpu")
        # Each process that a launcher starts takes the accelerator of its own number.
        return torch.device(accelerator.type, int(os.environ.get("LOCAL_RANK", "0")))
    try:
        chosen = torch.device(device)
        # torch parses cuda:7 on any machine; only an allocation shows whether it is here.
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {device!r} cannot be used here ({str(error).splitlines()[0]}); "
            "give cpu, cuda, cuda:1, mps or split, or leave --device out"
        ) from error
    return chosen


def device_map(device: str | None) -> Any:
    """Return the `device_map` of `from_pretrained`: all on one device, or for "split" the library's "auto".

    "auto" fills the accelerators first, then this machine's memory. With no accelerator there is
    nothing to split over, and the model goes to the CPU; a log line says so.

    Args:
        device (`str`, *optional*): A device as torch writes it, or "split".

    Returns:
        `dict[str, torch.device] | str`: The map.

    Raises:
        InputError: "split" in one of several processes, or a device that is not here.
    """
    if device != SPLIT:
        return {"": pick_device(device)}
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise InputError(
            f"--device split: spreads one model over all devices, and {processes} processes would "
            "each do so; launch one (--num_processes 1), or leave --device split out"
        )
    single_device = pick_device(None)
    if single_device.type != "cpu":
        return "auto"
    logger.info("--device split: no accelerator here to split the model over; it is on the CPU")
    return {"": single_device}


def check_split(model: Any, source: str) -> None:
    """Say in one line which parts of a split model are where; refuse what could not be run.

    Weights that lie in this machine's memory are copied to an accelerator in every pass, which is
    slow and is said; from the disk it would take days, which is a choice of ours to refuse.

    Args:
        model (`PreTrainedModel`): The loaded model.
        source (`str`): Its name, for the message.

    Raises:
        InputError: parts are on the disk, or the first device has no room for the embeddings.
    """
    placed = {name: _device_name(device) for name, device in model.hf_device_map.items()}
    logger.info("model %s is split: %s", source, describe_split(placed))
    if "disk" in placed.values() or model.get_input_embeddings().weight.is_meta:
        raise InputError(
            f"model {source!r} does not fit: with all accelerators and this machine's memory full, "
            f"parts are left over ({describe_split(placed)}); give --load-in-4bit or --dtype "
            "bfloat16, or use more or larger devices"
        )
    if "cpu" in placed.values():
        logger.warning(
            "the parts of %s on the CPU are copied to an accelerator in every pass, which is slow; "
            "--load-in-4bit or --dtype bfloat16 may make room",
            source,
        )


def describe_split(placed: dict[str, str]) -> str:
    """List modules by device, in their order: "cuda:0: model.embed_tokens to model.layers.3 (5)".

    Args:
        placed (`dict[str, str]`): Module -> name of its device, in the model's order.

    Returns:
        `str`: The list.
    """
    parts = []
    for device, group in groupby(placed, key=placed.__getitem__):
        names = [name or "all of it" for name in group]
        ends = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)})"
        parts.append(f"{device}: {ends}")
    return ", ".join(parts)


def _device_name(device: Any) -> str:
    """Name a device as torch writes it; the library's map has the accelerators by their numbers."""
    return f"{pick_device(None).type}:{device}" if isinstance(device, int) else str(device)
