"""The chosen rows as the trainer reads them: the tokens that were scored, loss on the response."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import RowTokens, common_prefix_length, encode
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import encode_readable
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import Shape

MASKED = -100  # a label that torch's cross-entropy passes over

logger = logging.getLogger(__name__)


class TrainingRows(NamedTuple):
    """Hold the chosen rows as the trainer reads them.

    Attributes:
        dataset (`Dataset`): Columns `input_ids` and `labels`.
        counts (`dict[str, int]`): Rows and tokens, used and left out.
    """

    dataset: Dataset
    counts: dict[str, int]


def prepare_rows(chosen: Dataset, shape: Shape, prompts: Prompts, tokenizer: Any, max_length: int) -> TrainingRows:
    """Make input_ids = x + y + end, labels = -100 over x and the ids over y + end, for each chosen row.

    x and y are the ids that `score` took: rendered by the same template, tokenized apart and
    joined. TRL would tokenize prompt and completion as one text, and letters on both sides of the
    boundary could become one token; rows that come with ids it leaves as they are. Of conversations
    x + y + end are the ids that TRL makes of the row as prompt and completion. `end` is what the
    chat template writes behind the last answer, or the tokenizer's end-of-sequence token.

    At most max_length tokens: y is cut on its right ("cut"), as in the scoring; rows with no room
    for any of y ("no_room") or with an empty one ("empty_response") are left out. All of this is
    counted: rows in `counts`, and tokens, with and without those of x.

    Args:
        chosen (`Dataset`): The chosen rows, with their scores.
        shape (`Shape`): Their shape.
        prompts (`Prompts`): The template with its tokenizer.
        tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.
        max_length (`int`): Tokens of a sequence, at most.

    Returns:
        `TrainingRows`: The columns and the counts.

    Raises:
        InputError: no end of sequence is known, no row is left, or a row has another number of
            response tokens than when it was scored.
    """
    counts: Counter[str] = Counter(chosen=len(chosen), cut=0, no_room=0, empty_response=0)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    rows = Rows(chosen, shape)
    scored = "miwv_flags" in chosen.column_names  # held-out rows are not
    for index, (example, tokens) in enumerate(_encoded(rows, prompts)):
        if scored:
            # A tokenizer that was changed between scoring and training would train on other tokens than were scored.
            _check_as_scored(chosen[index], len(tokens.response))
        empty = not example.has_response or not tokens.response
        if empty or len(tokens.prompt) >= max_length:
            counts["empty_response" if empty else "no_room"] += 1
            continue
        ids = [*tokens.prompt, *tokens.response, *(tokens.ending or _end_token(tokenizer))]
        counts["cut"] += len(ids) > max_length
        columns["input_ids"].append(ids[:max_length])
        columns["labels"].append([MASKED] * len(tokens.prompt) + ids[len(tokens.prompt) : max_length])
        counts["tokens"] += min(len(ids), max_length)
        counts["response_tokens"] += min(len(ids), max_length) - len(tokens.prompt)
    counts["used"] = len(columns["input_ids"])
    if counts["used"] == 0:
        raise InputError(
            f"none of the {len(chosen)} chosen rows can be trained on: {counts['no_room']} prompts "
            f"alone have {max_length} tokens or more, {counts['empty_response']} responses are "
            "empty; give a larger max_length in training"
        )
    return TrainingRows(Dataset.from_dict(columns), dict(counts))


def _end_token(tokenizer: Any) -> list[int]:
    """Return the id that tells the model to stop, where the template writes nothing."""
    if tokenizer.eos_token_id is None:
        raise InputError(
            "the tokenizer has no end-of-sequence token, so the model could not learn to stop; set its eos_token"
        )
    return [tokenizer.eos_token_id]


def compare_with_inference(chosen: Dataset, shape: Shape, prompts: Prompts, tokenizer: Any) -> dict[str, Any]:
    """Compare the prompts that are trained with those that the model gets to answer, as ids.

    There the text is tokenized with its special tokens, or the chat template renders the turns
    with its generation prompt.

    Args:
        chosen (`Dataset`): The chosen rows.
        shape (`Shape`): Their shape.
        prompts (`Prompts`): The template with its tokenizer.
        tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.

    Returns:
        `dict[str, Any]`: {"rows": how many differ} and, of the first that does, "row" and the texts from
        where they part, "trained" and "given".
    """
    report: dict[str, Any] = {"rows": 0}
    for index, (example, tokens) in enumerate(_encoded(Rows(chosen, shape), prompts)):
        inference_ids = _inference_prompt(example, prompts, tokenizer)
        if inference_ids == tokens.prompt:
            continue
        if not report["rows"]:
            same = common_prefix_length(inference_ids, tokens.prompt)
            trained, shown = (tokenizer.decode(ids[same:]) for ids in (tokens.prompt, inference_ids))
            report |= {"row": int(chosen[index]["row"]), "trained": trained, "given": shown}
        report["rows"] += 1
    if report["rows"]:
        logger.warning(
            "%d of %d prompts are trained as they were scored, which is not what the model is "
            "given to answer: from where they part, row %d is trained on %r and %s gives %r",
            report["rows"],
            len(chosen),
            report["row"],
            report["trained"],
            "the chat template's generation prompt" if prompts.name == "chat" else "the tokenizer",
            report["given"],
        )
    return report


def check_trainer(trainer: Any, rows: TrainingRows) -> None:
    """Check that the trainer has the rows unchanged, and that its batches ask for y and end only.

    Args:
        trainer (`trl.SFTTrainer`): The trainer.
        rows (`TrainingRows`): The rows that it was made with.

    Raises:
        RuntimeError: the installed trl does otherwise; nothing that the caller could mend.
    """
    for name in ("input_ids", "labels"):
        if list(trainer.train_dataset[name]) != list(rows.dataset[name]):
            raise RuntimeError(f"the trainer has changed the {name} of the rows it was given")
    first = [trainer.train_dataset[index] for index in range(min(len(rows.dataset), 8))]
    # The collator may mask or shift labels itself, so a real batch is looked at and not its settings.
    labels = trainer.data_collator(first)["labels"].tolist()
    if len(labels) < len(first):  # padding_free: the rows of a batch behind one another
        starts = [0, *accumulate(len(row["labels"]) for row in first)]
        labels = [labels[0][start:end] for start, end in pairwise(starts)]
    for row, batch_labels in zip(first, labels, strict=True):
        response_labels = [label for label in row["labels"] if label != MASKED]
        if not response_labels or [label for label in batch_labels if label != MASKED] != response_labels:
            raise RuntimeError("a batch of the trainer is not labeled with the response alone")


def _encoded(rows: Rows, prompts: Prompts) -> Iterator[tuple[Example, RowTokens]]:
    start = 0
    for examples in rows.blocks():
        for example, tokens in zip(examples, encode_readable(examples, prompts), strict=True):
            if tokens.fault is not None:
                raise InputError(f"{rows.location(start)}: {tokens.fault}") from tokens.fault
            yield example, tokens
            start += 1


def _check_as_scored(row: dict[str, Any], length: int) -> None:
    cut = "response_truncated" in row["miwv_flags"]
    if row["response_tokens"] != length and not (cut and row["response_tokens"] < length):
        raise InputError(
            f"row {row['row']} was scored over {row['response_tokens']} response tokens and has "
            f"{length} now: the tokenizer has changed since; score again"
        )


def _inference_prompt(example: Example, prompts: Prompts, tokenizer: Any) -> list[int]:
    if not isinstance(prompts, ChatPrompts):
        return tokenizer(prompts.prompt_text(example), verbose=False)["input_ids"]
    return encode(tokenizer, [prompts.template.prompt_and_whole(example)[0]])[0]
