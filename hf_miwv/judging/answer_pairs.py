"""Two files of answers -> pairs of answers to the same prompt, matched by content or id."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import check_utf8, json_rows
from hf_miwv.common.reading.kinds import describe
from hf_miwv.judging.prompts_given import SET_COLUMNS, read_label, read_question

ANSWER_COLUMNS = ("output", "response", "completion", "answer")

logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """One line of a file of answers; `place` names file and line."""

    place: str
    id: str | None
    test_set: str | None
    prompt: str
    text: str


class Pair(NamedTuple):
    """The answers of two systems to the same prompt."""

    id: str | None
    test_set: str | None
    prompt: str
    a: str
    b: str


class Pairs(NamedTuple):
    """The pairs in the order of A's file, what they were matched by, and what has no partner."""

    pairs: list[Pair]
    matched_by: str  # "id" or "prompt"
    only_in_a: int
    only_in_b: int


def read_answers(path: Path) -> list[Answer]:
    """Read the answers in a JSON Lines or JSON file, as `hf-miwv answer` writes it, or others do.

    The prompt is in `instruction` (with `input`), `prompt`, `text` or `question`, the answer in
    one of `output`, `response`, `completion`, `answer`; `id` and `set` or `source` may be there.

    Raises:
        InputError: no such file, broken JSON, no rows, or a row without prompt or answer.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a JSONL file, as `hf-miwv answer` writes it")
    check_utf8(path)
    answers = [_read_answer(row, place) for place, row in json_rows(path, tell=True)]
    if not answers:
        raise InputError(f"{path}: holds no rows; give a file with at least one answer")
    return answers


def pair_answers(a: Sequence[Answer], b: Sequence[Answer]) -> Pairs:
    """Pair the answers of A and B to the same prompts, never matched by their position in the file.

    By `id` where every line of both files has one, and then the prompts of an id must be the
    same; else by the prompt's text, without the white space around it. Lines of one file alone
    are counted, and a warning names the first of them.

    Raises:
        InputError: a prompt or id twice in a file, an id with two prompts, or no pair at all.
    """
    by_id = all(answer.id is not None for answer in (*a, *b))
    ones, others = _by_key(a, by_id), _by_key(b, by_id)
    pairs = [_pair(ones[key], others[key]) for key in ones if key in others]
    matched_by = "id" if by_id else "prompt"
    if not pairs:
        raise InputError(
            f"no line of the two files has the same {matched_by} ({a[0].place} and "
            f"{b[0].place} are the first); give answers to the same prompts"
        )
    lonely = [[mine[key] for key in mine if key not in other] for mine, other in ((ones, others), (others, ones))]
    for lines in filter(None, lonely):
        logger.warning(
            "%s: no answer with this %s in the other file; such lines: %d, left out",
            lines[0].place,
            matched_by,
            len(lines),
        )
    return Pairs(pairs, matched_by, len(lonely[0]), len(lonely[1]))


def _read_answer(row: Any, place: str) -> Answer:
    if not isinstance(row, Mapping):
        raise InputError(f"{place}: a row must be an object {{...}}, found {describe(row)}")
    given = [name for name in ANSWER_COLUMNS if row.get(name) is not None]
    if len(given) != 1:
        found = f"both {' and '.join(given)}" if given else "none of them"
        raise InputError(f"{place}: give the answer in one of {', '.join(ANSWER_COLUMNS)}; found {found}")
    text = row[given[0]]
    if not isinstance(text, str):
        raise InputError(f"{place}: column {given[0]!r} must be a string, found {describe(text)}")
    return Answer(
        place=place,
        id=read_label(row, ("id",), place),
        test_set=read_label(row, SET_COLUMNS, place),
        prompt=read_question(row, place).bare_prompt,
        text=text,
    )


def _by_key(answers: Sequence[Answer], by_id: bool) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for answer in answers:
        key = str(answer.id) if by_id else answer.prompt.strip()
        if key in found:
            what = f"id {answer.id!r}" if by_id else "prompt"
            raise InputError(
                f"{answer.place}: the same {what} as in {found[key].place}; keep one of them"
                + ("" if by_id else ", or give every line of both files an id")
            )
        found[key] = answer
    return found


def _pair(a: Answer, b: Answer) -> Pair:
    if a.prompt.strip() != b.prompt.strip():
        raise InputError(
            f"{a.place} and {b.place}: the same id {a.id!r}, but different prompts; give answers "
            "to the same prompts, or take the ids out to match by prompt"
        )
    return Pair(a.id or b.id, a.test_set or b.test_set, a.prompt, a.text, b.text)
