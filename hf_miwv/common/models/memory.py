"""Whether an error says that memory is used up, and what to say then."""

from __future__ import annotations

import errno

import torch
from accelerate.utils.memory import should_reduce_batch_size

from hf_miwv.common.errors import InputError

PROBE_ERRORS = (
    RuntimeError,
    MemoryError,
    ValueError,
    TypeError,
    IndexError,
    NotImplementedError,
)
"""Errors that a model may raise for a kind of pass that it was not made for."""
WORDS = ("out of memory", "not enough memory", "cannot allocate memory", "can't allocate memory")


def no_room_for_a_pass(error: BaseException, tokens: int) -> InputError:
    """Make the refusal for a model that fits into memory, but leaves no room for a pass of a few tokens.

    Args:
        error (`BaseException`): The error of the pass.
        tokens (`int`): Tokens of the pass.

    Returns:
        `InputError`: The refusal, to be raised.
    """
    return InputError(
        f"out of memory in a first pass of {tokens} tokens: the model fills it all "
        f"({_first_line(error)}). Give it as bfloat16 (--dtype bfloat16) or in 4 bits "
        "(--load-in-4bit), another --device, or a smaller model; or end what else holds memory"
    )


def no_room_to_load(kind: str, source: str, device: object, error: BaseException) -> InputError:
    """Make the refusal where a model does not fit into memory.

    Args:
        kind (`str`): "model", "embedder" or "adapter".
        source (`str`): Its name, as the user wrote it.
        device (`object`): Device it was to go to; None for the accelerator at hand, or the CPU.
        error (`BaseException`): The error of loading.

    Returns:
        `InputError`: The refusal, to be raised.
    """
    device_words = "the device at hand" if device is None else f"{device}"
    advice = (
        "Give a smaller embedder, or --device cpu"
        if kind == "embedder"
        else "Give it as bfloat16 (--dtype bfloat16; in a recipe dtype: bfloat16) or in 4 bits "
        "(--load-in-4bit; load_in_4bit: true), another device, or a smaller model"
    )
    return InputError(
        f"{kind} {source!r} does not fit into the memory of {device_words} ({_first_line(error)}). "
        f"{advice}; or end what else holds memory"
    )


def probe_fault(error: BaseException, tokens: int) -> str:
    """Say in a line why a probing pass failed.

    Args:
        error (`BaseException`): One of PROBE_ERRORS.
        tokens (`int`): Tokens of the pass.

    Returns:
        `str`: The first line of the error.

    Raises:
        InputError: memory is used up, which says nothing of what the model can do.
    """
    if is_out_of_memory(error):
        raise no_room_for_a_pass(error, tokens) from error
    return _first_line(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an accelerator's memory, or this machine's, ran out.

    Args:
        error (`BaseException`): Any error.

    Returns:
        `bool`: True where it says that memory is used up.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # CPU allocators and older backends raise a plain RuntimeError, which only its text tells from others.
    if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in WORDS):
        return True
    # accelerate knows further texts, those of cuDNN and of Gaudi (HPU) among them.
    return should_reduce_batch_size(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
