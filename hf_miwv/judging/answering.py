"""answer(): prompts in, a JSON Lines file of one model's answers out, for `hf-miwv judge`."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.common.cards.parts import shown_name
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.generation import plan_batches
from hf_miwv.common.models.models import LoadedModel
from hf_miwv.common.progress import stage
from hf_miwv.common.runs.fingerprints import model_fingerprint
from hf_miwv.common.runs.folder import check_file, put_file_in_place, write_errors
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.judging.generation import (
    default_batch_tokens,
    generate,
    longest_prompt,
    prompt_ids,
)
from hf_miwv.judging.prompt_columns import PROMPT_COLUMNS, SET_COLUMNS, read_label, read_question
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.rows.examples import Example

DEFAULT_TEMPLATE = "alpaca"  # what arXiv 2511.07074 tunes with
JOURNAL = "answers.jsonl"
FORMATS = ("jsonl", "alpaca_eval")
KEPT_COLUMNS = ("id", *SET_COLUMNS, *PROMPT_COLUMNS, "input")

logger = logging.getLogger(__name__)


def answer(
    dataset: Dataset,
    loaded: LoadedModel,
    output: Path,
    *,
    source: str = "data",
    template: str | None = None,
    max_new_tokens: int = 1024,
    batch_tokens: int | None = None,
    output_format: str = "jsonl",
    overwrite: bool = False,
    progress: bool = True,
    command_line: Sequence[str] | None = None,
) -> Counter[str]:
    """Answer every prompt greedily and write `output`, one JSON object per line, in row order.

    The prompt is rendered by the same code as for scoring, so it is token for token what the
    model was tuned on if the template is the same. A line has the row's id, test set and prompt
    columns, then `output`, `generator` (the model's name) and `answer_status`: "complete", "cut"
    (at max_new_tokens) or "prompt_too_long" (with an empty output). Of other columns, a reference
    answer among them, nothing is kept.

    Answers are written down batch by batch in OUTPUT.work, under a hash of model, prompt tokens
    and settings; after a kill the same call goes on from there and ends with the same bytes.

    Args:
        dataset (`Dataset`): The rows with prompts.
        loaded (`LoadedModel`): The model with its tokenizer.
        output (`Path`): The JSON Lines file to write.
        source (`str`, *optional*, defaults to `"data"`): The data set's name in messages.
        template (`str`, *optional*): "alpaca" (default), "chat", "plain" or a Jinja file, as in `score`.
        max_new_tokens (`int`, *optional*, defaults to `1024`): Tokens of an answer, at most.
        batch_tokens (`int`, *optional*): (longest prompt + max_new_tokens) x rows of a batch, at most,
            in tokens; the default follows the model's device.
        output_format (`str`, *optional*, defaults to `"jsonl"`): "jsonl", or "alpaca_eval" for the one JSON list that
            AlpacaEval reads.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it exists.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.
        command_line (`Sequence[str]`, *optional*): By which the same command is known after a kill.

    Returns:
        `Counter[str]`: How many rows have each status.

    Raises:
        InputError: A row without a prompt, a template that does not fit, an output that exists, an unknown format.
    """
    check_output_format(output_format)
    check_file(output, overwrite, command_line=command_line)
    examples = read_questions(dataset, source)
    prompts = choose_prompts(template or DEFAULT_TEMPLATE, loaded.tokenizer, "alpaca", False)
    ids = prompt_ids(prompts, examples, source)
    longest = longest_prompt(loaded.model, max_new_tokens)
    base = f"{model_fingerprint(loaded.model)} {max_new_tokens}"
    # Keyed by model, settings and prompt ids, so that the journal also serves a data set in another order.
    keys = [hashlib.sha256(f"{base} {prompt}".encode()).hexdigest() for prompt in ids]
    # A prompt that leaves no room for an answer is not run, and its line says so.
    fitting = {key: prompt for key, prompt in zip(keys, ids, strict=True) if len(prompt) <= longest}
    with write_errors(output), Workspace(workspace_of(output)) as workspace:
        budget = batch_tokens or default_batch_tokens(loaded.model)
        generated = _generate_all(loaded, fitting, max_new_tokens, budget, workspace, progress)
        answers = [generated.get(key, ("", "prompt_too_long")) for key in keys]
        name = shown_name(loaded.model.name_or_path or None)
        write_answers(output, dataset, answers, name, workspace, command_line, output_format)
    return Counter(status for _, status in answers)


def check_output_format(output_format: str) -> None:
    """Check the name of a format of answers, before any is written.

    Args:
        output_format (`str`): The name.

    Raises:
        InputError: it is none of FORMATS.
    """
    if output_format not in FORMATS:
        raise InputError(f"output format {output_format!r} is not one of ours: {did_you_mean(output_format, FORMATS)}")


def read_questions(dataset: Dataset, source: str) -> list[Example]:
    """Read the prompt of each row.

    Args:
        dataset (`Dataset`): The rows.
        source (`str`): The data set's name in messages.

    Returns:
        `list[Example]`: Their prompts.

    Raises:
        InputError: a row without a prompt, or with an id or test set that cannot be written.
    """
    questions = []
    for index, row in enumerate(dataset):
        location = f"{source}: row {index}"
        for names in (("id",), SET_COLUMNS):
            read_label(row, names, location)  # before the work, not when the row is written
        questions.append(read_question(row, location))
    return questions


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in KEPT_COLUMNS if row.get(name) is not None}


def _generate_all(
    loaded: LoadedModel,
    prompts: Mapping[str, list[int]],
    max_new_tokens: int,
    batch_tokens: int,
    workspace: Workspace,
    progress: bool,
) -> dict[str, tuple[str, str]]:
    """Return (text, status) of each prompt by its key; batches that the journal holds are not run."""
    generated = read_finished(workspace, prompts)
    keys, lengths = list(prompts), [len(prompt) for prompt in prompts.values()]
    with stage("answering", "prompt", len(keys), initial=len(generated), show=progress) as bar:
        for batch in plan_batches(lengths, [max_new_tokens] * len(keys), 1, batch_tokens):
            missing = [keys[index] for index in batch if keys[index] not in generated]
            if not missing:
                continue
            ids = [prompts[key] for key in missing]
            written = generate(loaded.model, loaded.tokenizer, ids, max_new_tokens)
            entry = [(key, *answer) for key, answer in zip(missing, written, strict=True)]
            workspace.append_journal(JOURNAL, entry)
            generated.update({key: (text, status) for key, text, status in entry})
            bar.update(len(missing))
    return generated


def read_finished(workspace: Workspace, prompts: Collection[str]) -> dict[str, tuple[str, str]]:
    """Read the answers that an earlier call has left.

    Args:
        workspace (`Workspace`): Its workspace.
        prompts (`Collection[str]`): Keys of the prompts that are asked for.

    Returns:
        `dict[str, tuple[str, str]]`: Key -> (text, status).
    """
    finished: dict[str, tuple[str, str]] = {
        key: (text, status)
        for batch in workspace.read_journal(JOURNAL)
        for key, text, status in batch
        if key in prompts
    }
    if finished:
        logger.info(
            "going on with the unfinished work in %s: %d of %d answers are there",
            workspace.folder,
            len(finished),
            len(prompts),
        )
    return finished


def write_answers(
    output: Path,
    dataset: Dataset,
    answers: Sequence[tuple[str, str]],
    generator: str,
    workspace: Workspace,
    command_line: Sequence[str] | None,
    output_format: str = "jsonl",
) -> None:
    """Write the file of answers, whole or not at all: one JSON object for each row, or AlpacaEval's list of them.

    AlpacaEval reads `instruction`, `output`, `generator` and `dataset` of each, and matches files by `instruction`:
    the prompt with its input, if it has one, a blank line between them.

    Args:
        output (`Path`): The JSON Lines file.
        dataset (`Dataset`): The rows with prompts.
        answers (`Sequence[tuple[str, str]]`): Text and status for each row.
        generator (`str`): Name of the model.
        workspace (`Workspace`): Workspace of the call, emptied when the file is there.
        command_line (`Sequence[str]`, *optional*): By which the same command is known after a kill.
        output_format (`str`, *optional*, defaults to `"jsonl"`): One of FORMATS.
    """
    lines = [
        {**_kept(row), "output": text, "generator": generator, "answer_status": status}
        for row, (text, status) in zip(dataset, answers, strict=True)
    ]
    part = workspace.folder / "answers.part"
    with open(part, "w", encoding="utf-8") as file:
        if output_format == "alpaca_eval":
            entries = [
                {
                    "dataset": read_label(row, SET_COLUMNS, "") or output.stem,
                    "instruction": read_question(row, "").question,
                    "output": text,
                    "generator": generator,
                }
                for row, (text, _) in zip(dataset, answers, strict=True)
            ]
            file.write(json_text(entries, indent=2) + "\n")
        else:
            file.writelines(json_text(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    put_file_in_place(part, output, workspace, command_line)
