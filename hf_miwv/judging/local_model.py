"""A judge that runs here: a causal language model with a chat template, asked in batches."""

from __future__ import annotations

from collections.abc import Sequence

from hf_miwv.common.models.generation import plan_batches
from hf_miwv.common.models.models import LoadedModel
from hf_miwv.common.runs.fingerprints import model_fingerprint
from hf_miwv.judging.generation import (
    default_batch_tokens,
    generate,
    longest_prompt,
    prompt_ids,
)
from hf_miwv.judging.verdicts import Judge, Refused
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.rows.examples import Example
from hf_miwv.rows.turns import Turn


def model_judge(loaded: LoadedModel, *, max_new_tokens: int = 512, batch_tokens: int | None = None) -> Judge:
    """Make a judge of a loaded model, by greedy generation behind its own chat template.

    A question that leaves no room for max_new_tokens in the model's context is refused. The model
    is asked by one batch at a time, the questions in it of like length.

    Args:
        loaded (`LoadedModel`): The model with its tokenizer.
        max_new_tokens (`int`, *optional*, defaults to `512`): Tokens of a reply, at most.
        batch_tokens (`int`, *optional*): Tokens of a batch; the default follows the model's device.

    Returns:
        `Judge`: The judge.

    Raises:
        InputError: the tokenizer has no chat template, or max_new_tokens leaves no room.
    """
    model, tokenizer = loaded.model, loaded.tokenizer
    prompts = ChatPrompts(tokenizer)
    longest = longest_prompt(model, max_new_tokens)
    budget = batch_tokens or default_batch_tokens(model)

    def encode(conversations: Sequence[list[Turn]]) -> list[list[int]]:
        examples = [Example("", "", tuple(turns), "") for turns in conversations]
        return prompt_ids(prompts, examples)

    def ask(conversations: Sequence[list[Turn]]) -> list[str | Refused]:
        questions = encode(conversations)
        fitting = [question for question in questions if len(question) <= longest]
        # Refused questions keep their position among the replies.
        written = iter(generate(model, tokenizer, fitting, max_new_tokens) if fitting else ())
        return [
            next(written).text
            if len(question) <= longest
            else Refused(f"the question has {len(question)} tokens, and there is room for {longest}")
            for question in questions
        ]

    return Judge(
        description={
            "kind": "model",
            "source": model.name_or_path or None,
            "revision": loaded.revision,
            "fingerprint": model_fingerprint(model),
            "template": prompts.sha256,
            "max_new_tokens": max_new_tokens,
            "batch_tokens": budget,
        },
        ask=ask,
        batches=lambda questions: plan_batches(
            [len(question) for question in encode(questions)], [max_new_tokens] * len(questions), 1, budget
        ),
        concurrency=1,
    )
