"""Checks before the first step; each says what to change where it fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.method.prompts import check_same_prompt
from hf_lmt.data.prepare.row_batches import BATCH
from hf_lmt.training.prepared_rows import describe
from hf_lmt.training.training_tokens import MASKED
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.template_errors import ChatTemplateError, apply_chat_template
from hf_miwv.common.runs.processes import Processes

SAMPLE = 64  # rows whose prompts are compared; each row's ids were, when they were made
MARKER = re.compile(r"<\|[^<>|]{1,40}\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]")
ROW = ("prompt", "completion", "chat_template_kwargs")


def check_world(trainer: Any, processes: Processes) -> int:
    """Check that the trainer spreads its batches over as many processes as were launched.

    Args:
        trainer (`Trainer`): The trainer.
        processes (`Processes`): The processes that were launched.

    Returns:
        `int`: Number of processes.

    Raises:
        InputError: it does not; the effective batch would be another one.
    """
    ranks = sorted(processes.gather(processes.rank))
    world = trainer.accelerator.num_processes
    if ranks != list(range(processes.world)) or world != processes.world:
        raise InputError(
            f"{processes.world} processes were launched (WORLD_SIZE) and the trainer sees {world}; "
            "start them with `accelerate launch --config_file FILE` (`hf-lmt recipe list` shows launch files)"
        )
    return world


def check_prompts(tokenizer: Any, rows: Dataset, prompts: Mapping[str, Any]) -> dict[str, Any]:
    """Run `check_same_prompt` on the first rows, with the very tokenizer of the training.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        rows (`Dataset`): Rows with prompt and completion.
        prompts (`Mapping[str, Any]`): How the prompts were made, with "thinking".

    Returns:
        `dict[str, Any]`: "rows", how many were compared, and "before_target", the texts that the loss covers before
        a target.

    Raises:
        InputError: prompts of training and translating differ.
    """
    first = rows.select(range(min(SAMPLE, len(rows))))
    texts_before_target = set()
    for row in first:
        columns = {name: row[name] for name in ROW if name in row}
        try:
            texts_before_target.add(check_same_prompt(tokenizer, columns, prompts["thinking"]))
        except ChatTemplateError as fault:
            raise InputError(f"{describe(row)}: {fault}") from fault
    return {"rows": len(first), "before_target": sorted(texts_before_target)}


def check_special_tokens(tokenizer: Any, rows: Dataset, embeddings: int) -> list[str]:
    """Check that what looks like a special token in the chat template is one, and the model knows it.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        rows (`Dataset`): Rows with prompt and completion, or with text; the first is looked at.
        embeddings (`int`): Rows of the model's embedding table.

    Returns:
        `list[str]`: The special tokens of the first row.

    Raises:
        InputError: the tokenizer takes such a word to pieces, or a token has no embedding.
    """
    row = rows[0]
    if isinstance(row.get("prompt"), list):
        template_arguments = row.get("chat_template_kwargs") or {}
        text = apply_chat_template(tokenizer, row["prompt"] + row["completion"], tokenize=False, **template_arguments)
        content = "".join(turn["content"] for turn in row["prompt"] + row["completion"])
        words = sorted({word for word in MARKER.findall(text) if word not in content})
    else:
        words = [tokenizer.eos_token]
    largest_id = 0
    for word in words:
        pieces = tokenizer(word, add_special_tokens=False)["input_ids"]
        if len(pieces) != 1:
            raise InputError(
                f"the chat template writes {word}, which the tokenizer takes to {len(pieces)} "
                "pieces: it is no special token of this model; give another chat_template_path"
            )
        largest_id = max(largest_id, *pieces)
    if largest_id >= embeddings:
        raise InputError(
            f"token {largest_id} of the tokenizer has no embedding: the model has {embeddings}; give "
            "the tokenizer that belongs to the model"
        )
    return words


def check_first_batch(trainer: Any, rows: Dataset, mixture: bool) -> dict[str, int]:
    """Check that the loss of the first batch is over the targets and their ends, and only them.

    The labels that the collator makes are decoded and compared with the rows' targets, as the
    tokenizer itself gives them back. Of a mixture every token has its label, but the first.

    Args:
        trainer (`SFTTrainer`): The trainer, with its tokenized rows.
        rows (`Dataset`): The rows with prompt and completion, by whose index the tokenized ones name them.
        mixture (`bool`): The rows are texts for continued pre-training.

    Returns:
        `dict[str, int]`: "rows", "tokens" and "labeled" tokens of the batch.

    Raises:
        InputError: a row has no label, others than its target, or no end that generation heeds.
    """
    size = min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))
    examples = [trainer.train_dataset[index] for index in range(size)]
    batch = trainer.data_collator(
        [
            {name: example[name] for name in ("input_ids", "labels", "seq_lengths") if name in example}
            for example in examples
        ]
    )
    labels = batch["labels"].numpy()
    counted = {
        "rows": size,
        "tokens": sum(len(example["input_ids"]) for example in examples),
        "labeled": int((labels != MASKED).sum()),
    }
    if mixture:
        texts = sum(len(example.get("seq_lengths") or [0]) for example in examples)
        if counted["labeled"] < counted["tokens"] - texts:
            raise InputError(
                f"of {counted['tokens']} tokens of the first batch only {counted['labeled']} have "
                "a label, and the loss is to be over all"
            )
        return counted
    tokenizer = trainer.processing_class
    for example, row_labels in zip(examples, _by_row(labels, examples), strict=True):
        _check_labels(row_labels, rows[example["row"]], example["cut"], tokenizer, _ends(trainer))
    return counted


def _by_row(labels: np.ndarray, examples: list[dict[str, Any]]) -> list[np.ndarray]:
    """Return the labels of each row, also of a batch that was flattened to one sequence."""
    if len(labels) == len(examples):
        return list(labels)
    ends = np.cumsum([len(example["input_ids"]) for example in examples])[:-1]
    return np.split(labels[0], ends)


def _ends(trainer: Any) -> set[int]:
    """Return the tokens at which generation stops."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    end_tokens = model.generation_config.eos_token_id
    end_tokens = model.config.eos_token_id if end_tokens is None else end_tokens
    return set(end_tokens) if isinstance(end_tokens, list) else {end_tokens} - {None}


def _check_labels(labels: np.ndarray, row: Mapping[str, Any], cut: bool, tokenizer: Any, ends: set[int]) -> None:
    """Check that the labels of a row are those of its target and its end, by their text."""
    labeled_ids = labels[labels != MASKED].tolist()
    if not labeled_ids:
        raise InputError(
            f"{describe(row)}: no token of its target has a label; its prompt fills "
            "max_length, or the collator masks it"
        )
    target = row["completion"]
    target = target if isinstance(target, str) else target[-1]["content"]
    target_text = tokenizer.decode(tokenizer(target, add_special_tokens=False)["input_ids"]).strip()
    labeled_text = tokenizer.decode(labeled_ids).strip()
    is_target = target_text.startswith(labeled_text) if cut else target_text in labeled_text
    # As text, because a target alone may have other ids than behind its prompt. Many more labels than it has tokens
    # mean that some of the prompt's are labeled, too.
    if not is_target or (not cut and len(labeled_ids) > 2 * len(tokenizer(target)["input_ids"]) + 16):
        raise InputError(
            f"{describe(row)}: the loss is over {labeled_text[:200]!r}, and the target is {target_text[:200]!r}"
        )
    if cut or ends.intersection(labeled_ids):
        return
    if not ends:
        raise InputError(
            "the model names no token at which generation stops (eos_token_id of its "
            "generation_config.json and config.json), so it would never end a "
            "translation; save the base with one, or take another"
        )
    end = tokenizer.decode(labeled_ids[-2:])
    if tokenizer.pad_token_id == tokenizer.eos_token_id and tokenizer.eos_token_id not in labeled_ids:
        detail = f"; the padding token is the end itself ({tokenizer.eos_token})"
    else:
        detail = ""
    raise InputError(
        f"{describe(row)}: what is learned ends with {end!r}, and generation stops at "
        f"{', '.join(tokenizer.convert_ids_to_tokens(sorted(ends)))} only{detail}, so the model "
        "would not stop; give eos_token, the token that ends a turn"
    )


def check_evaluation(rows: Dataset, sets: list[Any]) -> dict[str, Any]:
    """Check that no row says what one of the evaluation sets says, by `EvaluationOverlap`.

    Args:
        rows (`Dataset`): Rows with source and target, or with text.
        sets (`list[Any]`): Names, paths or fields of evaluation sets; empty to check nothing.

    Returns:
        `dict[str, Any]`: Notes of the check for the record.

    Raises:
        InputError: some do, the first named; a set cannot be read.
    """
    if not sets:
        return {"checked": "not checked"}
    overlap = EvaluationOverlap(sets)
    overlap.load()
    first, count, position = None, 0, 0
    for batch in rows.with_format("arrow").iter(BATCH):
        hits = _hits(batch, overlap)
        if len(hits) and first is None:
            first = position + int(hits[0])
        count += len(hits)
        position += len(batch)
    if first is not None:
        raise InputError(
            f"{count} of {len(rows)} training rows say what an evaluation set says, the first "
            f"{describe(rows[first])}; take them out with curation: {{contamination: {{sets: "
            f"{sets}}}}}, or take another evaluation set"
        )
    return dict(overlap.notes)


def _hits(batch: pa.Table, overlap: EvaluationOverlap) -> np.ndarray:
    """Return the indices of the batch's rows that say what an evaluation set says."""
    if "text" not in batch.column_names:
        return np.flatnonzero([reason is not None for reason in overlap(batch)])
    texts, overlapping = batch["text"].to_pylist(), np.zeros(len(batch), bool)
    for side in ("source_lang", "target_lang"):
        codes = np.array(batch[side].to_pylist(), object)
        for code in {code_or_none for code_or_none in codes.tolist() if code_or_none}:
            row_indices = np.flatnonzero(codes == code)
            overlapping[row_indices] |= overlap.overlaps([texts[row_index] for row_index in row_indices], code)
    return np.flatnonzero(overlapping)
