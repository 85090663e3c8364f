"""Two files of answers -> pairs of answers to the same prompt, matched by content or id."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import check_utf8, json_rows
from hf_miwv.common.reading.kinds import describe
from hf_miwv.judging.prompt_columns import SET_COLUMNS, read_label, read_question

ANSWER_COLUMNS = ("output", "response", "completion", "answer")

logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """Hold one line of a file of answers.

    Attributes:
        location (`str`): File and line.
        id (`str`, *optional*): The prompt's id, where the line has one.
        test_set (`str`, *optional*): Name of the test set, where the line has one.
        prompt (`str`): The prompt.
        text (`str`): The answer.
    """

    location: str
    id: str | None
    test_set: str | None
    prompt: str
    text: str


class Pair(NamedTuple):
    """Hold the answers of two systems to the same prompt.

    Attributes:
        id (`str`, *optional*): The prompt's id.
        test_set (`str`, *optional*): Name of the test set.
        prompt (`str`): The prompt.
        a (`str`): A's answer.
        b (`str`): B's answer.
    """

    id: str | None
    test_set: str | None
    prompt: str
    a: str
    b: str


class Pairs(NamedTuple):
    """Hold the pairs, and count the answers without a partner.

    Attributes:
        pairs (`list[Pair]`): In the order of A's file.
        matched_by (`str`): "id" or "prompt".
        only_in_a (`int`): Answers of A without a partner.
        only_in_b (`int`): Answers of B without a partner.
    """

    pairs: list[Pair]
    matched_by: str
    only_in_a: int
    only_in_b: int


def read_answers(path: Path) -> list[Answer]:
    """Read the answers in a JSON Lines or JSON file, as `hf-miwv answer` writes it, or others do.

    The prompt is in `instruction` (with `input`), `prompt`, `text` or `question`, the answer in
    one of `output`, `response`, `completion`, `answer`; `id` and `set` or `source` are optional.

    Args:
        path (`Path`): The file.

    Returns:
        `list[Answer]`: The answers, in the file's order.

    Raises:
        InputError: no such file, broken JSON, no rows, or a row without prompt or answer.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a JSONL file, as `hf-miwv answer` writes it")
    check_utf8(path)
    answers = [_read_answer(row, location) for location, row in json_rows(path, tell=True)]
    if not answers:
        raise InputError(f"{path}: holds no rows; give a file with at least one answer")
    return answers


def pair_answers(a: Sequence[Answer], b: Sequence[Answer]) -> Pairs:
    """Pair the answers of A and B to the same prompts, never matched by their position in the file.

    By `id` where every line of both files has one, and then the prompts of an id must be the
    same; else by the prompt's text, without the white space around it. Lines of one file alone
    are counted, and a warning names the first of them.

    Args:
        a (`Sequence[Answer]`): A's answers.
        b (`Sequence[Answer]`): B's answers.

    Returns:
        `Pairs`: The pairs.

    Raises:
        InputError: a prompt or id twice in a file, an id with two prompts, or no pair at all.
    """
    by_id = all(answer.id is not None for answer in (*a, *b))
    answers_a, answers_b = _by_key(a, by_id), _by_key(b, by_id)
    pairs = [_pair(answers_a[key], answers_b[key]) for key in answers_a if key in answers_b]
    matched_by = "id" if by_id else "prompt"
    if not pairs:
        raise InputError(
            f"no line of the two files has the same {matched_by} ({a[0].location} and "
            f"{b[0].location} are the first); give answers to the same prompts"
        )
    unpaired = [
        [answers[key] for key in answers if key not in partners]
        for answers, partners in ((answers_a, answers_b), (answers_b, answers_a))
    ]
    for lines in filter(None, unpaired):
        logger.warning(
            "%s: no answer with this %s in the other file; such lines: %d, left out",
            lines[0].location,
            matched_by,
            len(lines),
        )
    return Pairs(pairs, matched_by, len(unpaired[0]), len(unpaired[1]))


def _read_answer(row: Any, location: str) -> Answer:
    if not isinstance(row, Mapping):
        raise InputError(f"{location}: a row must be an object {{...}}, found {describe(row)}")
    answer_columns = [name for name in ANSWER_COLUMNS if row.get(name) is not None]
    if len(answer_columns) != 1:
        names = f"both {' and '.join(answer_columns)}" if answer_columns else "none of them"
        raise InputError(f"{location}: give the answer in one of {', '.join(ANSWER_COLUMNS)}; found {names}")
    text = row[answer_columns[0]]
    if not isinstance(text, str):
        raise InputError(f"{location}: column {answer_columns[0]!r} must be a string, found {describe(text)}")
    return Answer(
        location=location,
        id=read_label(row, ("id",), location),
        test_set=read_label(row, SET_COLUMNS, location),
        prompt=read_question(row, location).bare_prompt,
        text=text,
    )


def _by_key(answers: Sequence[Answer], by_id: bool) -> dict[str, Answer]:
    answers_by_key: dict[str, Answer] = {}
    for answer in answers:
        key = str(answer.id) if by_id else answer.prompt.strip()
        if key in answers_by_key:
            key_words = f"id {answer.id!r}" if by_id else "prompt"
            raise InputError(
                f"{answer.location}: the same {key_words} as in {answers_by_key[key].location}; keep one of them"
                + ("" if by_id else ", or give every line of both files an id")
            )
        answers_by_key[key] = answer
    return answers_by_key


def _pair(a: Answer, b: Answer) -> Pair:
    if a.prompt.strip() != b.prompt.strip():
        raise InputError(
            f"{a.location} and {b.location}: the same id {a.id!r}, but different prompts; give answers "
            "to the same prompts, or take the ids out to match by prompt"
        )
    return Pair(a.id or b.id, a.test_set or b.test_set, a.prompt, a.text, b.text)
