"""Greedy generation: token ids of prompts -> what the model writes after them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from transformers import GenerationConfig

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.end_tokens import end_tokens
from hf_miwv.common.models.generation import generate_padded
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.rows.examples import Example

CPU_BATCH_TOKENS = 4096
ACCELERATOR_BATCH_TOKENS = 16384
STAND_IN = "answer"  # templates are asked what they write before some answer


class Generated(NamedTuple):
    """Hold a generated text.

    Attributes:
        text (`str`): The model's text.
        status (`str`): "complete": it ended by itself; "cut": it ran into the limit.
    """

    text: str
    status: Literal["complete", "cut"]


def default_batch_tokens(model: Any) -> int:
    """Return the tokens that are generated in, prompts and padding included; our choice.

    Args:
        model (`PreTrainedModel`): The causal LM.

    Returns:
        `int`: Tokens of a batch, at most.
    """
    on_cpu = model.get_input_embeddings().weight.device.type == "cpu"
    return CPU_BATCH_TOKENS if on_cpu else ACCELERATOR_BATCH_TOKENS


def longest_prompt(model: Any, max_new_tokens: int) -> int:
    """Return the tokens a prompt may have, so that max_new_tokens still fit behind it in the model's limit.

    Args:
        model (`PreTrainedModel`): The causal LM.
        max_new_tokens (`int`): Tokens of an answer, at most.

    Returns:
        `int`: Tokens; without a limit sys.maxsize.

    Raises:
        InputError: max_new_tokens is below 1, or leaves no room for a prompt.
    """
    if max_new_tokens < 1:
        raise InputError(f"max new tokens {max_new_tokens} leaves no answer; give 1 or more")
    model_limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if model_limit is not None and max_new_tokens >= model_limit:
        raise InputError(
            f"max new tokens {max_new_tokens} leaves no room for a prompt in the model's {model_limit} "
            "tokens; give a smaller --max-new-tokens"
        )
    return sys.maxsize if model_limit is None else model_limit - max_new_tokens


def prompt_ids(prompts: Prompts, examples: Sequence[Example], source: str | None = None) -> list[list[int]]:
    """Encode the text that the template writes before each example's response, as in scoring.

    The responses are not looked at.

    Args:
        prompts (`Prompts`): The template with its tokenizer.
        examples (`Sequence[Example]`): N rows; with `source`, all rows of it, in order.
        source (`str`, *optional*): Name of the data, for messages.

    Returns:
        `list[list[int]]`: Ids of N prompts.

    Raises:
        InputError: the template fails on an example.
    """
    asked = [replace(example, response=STAND_IN, answer=None) for example in examples]
    encoded = prompts.encode(asked)
    for index, tokens in enumerate(encoded):
        if tokens.fault is not None:
            location = "" if source is None else f"{source}: row {index}: "
            raise InputError(f"{location}{tokens.fault}") from tokens.fault
    return [tokens.prompt for tokens in encoded]


def generate(model: Any, tokenizer: Any, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Generated]:
    """Generate the most probable token at every step, up to max_new_tokens, after each of the prompts.

    Prompts are padded on their left to (rows, longest). The checkpoint's own generation settings
    (sampling, penalties) are left out, but for its end tokens; special tokens and the white space
    around the text are taken off.

    Args:
        model (`PreTrainedModel`): The causal LM.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        prompts (`Sequence[list[int]]`): Ids of B prompts.
        max_new_tokens (`int`): Tokens of an answer, at most.

    Returns:
        `list[Generated]`: B texts.

    Raises:
        InputError: the batch does not fit into memory.
    """
    ends = end_tokens(model, tokenizer)
    filler = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    settings = GenerationConfig(do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=ends, pad_token_id=filler)
    try:
        written = generate_padded(model, prompts, settings)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{len(prompts)} prompts of up to {max(map(len, prompts))} tokens do not fit into memory at once; give "
            "a smaller --batch-tokens or --max-new-tokens, --dtype bfloat16, or another --device"
        ) from error
    return [_until_end(tokenizer, row, ends) for row in written]


def _until_end(tokenizer: Any, ids: list[int], ends: list[int]) -> Generated:
    length = next((position for position, token in enumerate(ids) if token in ends), None)
    text = tokenizer.decode(ids[:length], skip_special_tokens=True).strip()
    return Generated(text, "cut" if length is None else "complete")
