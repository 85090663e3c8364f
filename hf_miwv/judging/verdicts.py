"""Questions -> verdicts, each written down as soon as it is there; killed, it goes on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, NamedTuple

from hf_miwv.common.progress import stage
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.judging.question import PAIR_FORM, ReplyForm, ask_again, prompt_sha256
from hf_miwv.rows.turns import Turn

JOURNAL = "verdicts.jsonl"

logger = logging.getLogger(__name__)


class Refused(NamedTuple):
    """Say that the judge does not take this question at all (too long for it, say).

    Attributes:
        reason (`str`): Why.
    """

    reason: str


@dataclass(frozen=True)
class Judge:
    """Describe who is asked: an endpoint or a model here.

    Attributes:
        description (`dict[str, Any]`): All that its verdicts depend on, for run.json; it never holds a key.
        ask (`Callable[[Sequence[list[Turn]]], list[str | Refused]]`): Takes a batch of conversations and
            returns a reply, or a refusal, for each.
        batches (`Callable[[Sequence[list[Turn]]], list[list[int]]]`): Cuts all questions into batches of
            their indices.
        concurrency (`int`): Batches that are asked at a time.
    """

    description: dict[str, Any]
    ask: Callable[[Sequence[list[Turn]]], list[str | Refused]]
    batches: Callable[[Sequence[list[Turn]]], list[list[int]]]
    concurrency: int

    @property
    def identity(self) -> dict[str, Any]:
        """Return the description without the name of a model, whose weights have a fingerprint."""
        names = ("source", "revision")
        return {name: value for name, value in self.description.items() if name not in names}


class Verdict(NamedTuple):
    """Hold the judge's verdict on a pair in one order, or on one response.

    Attributes:
        scores (`tuple[float, ...]`, *optional*): Of the first and the second answer shown, or the one rating; None
            where no reply can be read.
        replies (`list[str]`): Everything that the judge wrote.
        refusal (`str`, *optional*): Why it did not take the question.
    """

    scores: tuple[float, ...] | None
    replies: list[str]
    refusal: str | None


def verdict_key(judge: Judge, prompt: str, first: str, second: str) -> str:
    """Hash everything a verdict depends on: judge, words of the question, pair and order.

    Args:
        judge (`Judge`): The judge.
        prompt (`str`): The prompt.
        first (`str`): The answer shown first.
        second (`str`): The answer shown second.

    Returns:
        `str`: SHA-256 in hexadecimal digits.
    """
    content = [judge.identity, prompt_sha256(), prompt, first, second]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def collect_verdicts(
    judge: Judge,
    questions: Mapping[str, list[Turn]],
    workspace: Workspace,
    progress: bool = True,
    form: ReplyForm = PAIR_FORM,
) -> dict[str, Verdict]:
    """Collect the verdict on each question; those in the journal are not asked.

    A reply that cannot be read is asked for once more, with a word on the form. Refusals are not
    written down, so that a later call asks again.

    Args:
        judge (`Judge`): The judge.
        questions (`Mapping[str, list[Turn]]`): `verdict_key` -> question.
        workspace (`Workspace`): Holds the journal.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.
        form (`ReplyForm`, *optional*, defaults to `PAIR_FORM`): The form that a reply must have.

    Returns:
        `dict[str, Verdict]`: `verdict_key` -> verdict.

    Raises:
        InputError: the judge cannot be asked at all. Unfinished requests are waited for and kept.
    """
    done = _read_journal(workspace)
    verdicts_by_key = {key: done[key] for key in questions if key in done}
    if verdicts_by_key:
        logger.info(
            "going on with the unfinished work in %s: %d of %d verdicts are there",
            workspace.folder,
            len(verdicts_by_key),
            len(questions),
        )
    keys = list(questions)
    open_batches = [
        [keys[index] for index in batch if keys[index] not in verdicts_by_key]
        for batch in judge.batches(list(questions.values()))
    ]
    with stage("judging", "verdict", len(keys), initial=len(verdicts_by_key), show=progress) as bar:
        for verdicts in _ask_all(judge, questions, [batch for batch in open_batches if batch], workspace, form):
            verdicts_by_key |= verdicts
            bar.update(len(verdicts))
    return verdicts_by_key


def _ask_all(
    judge: Judge,
    questions: Mapping[str, list[Turn]],
    batches: Sequence[list[str]],
    workspace: Workspace,
    form: ReplyForm,
) -> Iterator[dict[str, Verdict]]:
    """Yield the verdicts of each batch of keys, written down by who asked before it asks again.

    After a fault nothing more is asked; it is raised when all unfinished requests are done.
    """
    stop, lock = Event(), Lock()

    def ask(batch: list[str]) -> dict[str, Verdict]:
        if stop.is_set():
            return {}
        try:
            verdicts = _ask_twice(judge, [questions[key] for key in batch], form)
            # Threads share the journal, and two lines written at once would be torn.
            with lock:
                _write_journal(workspace, batch, verdicts)
        except BaseException:
            stop.set()
            raise
        return dict(zip(batch, verdicts, strict=True))

    with ThreadPoolExecutor(judge.concurrency) as pool, ExitStack() as stack:
        stack.callback(stop.set)  # also on Ctrl-C: the pool waits only for what is under way
        futures = [pool.submit(ask, batch) for batch in batches]
        # Also after a fault: these batches are in the journal, and count.
        yield from (future.result() for future in as_completed(futures) if not future.exception())
    for future in futures:
        future.result()  # raises the fault, if there was one


def _ask_twice(judge: Judge, conversations: list[list[Turn]], form: ReplyForm) -> list[Verdict]:
    """Ask for a batch, and once more for the replies that cannot be read."""
    replies: list[list[str | Refused]] = [[reply] for reply in judge.ask(conversations)]
    # Once more only: each reply costs, and a judge that fails twice rarely succeeds.
    again = [index for index, (reply,) in enumerate(replies) if isinstance(reply, str) and form.read(reply) is None]
    if again:
        longer = [ask_again(conversations[index], str(replies[index][0]), form.reminder) for index in again]
        for index, reply in zip(again, judge.ask(longer), strict=True):
            replies[index].append(reply)
    return [_verdict(both, form) for both in replies]


def _verdict(replies: list[str | Refused], form: ReplyForm) -> Verdict:
    """Make the verdict: the last readable reply counts; a refusal only where there was no reply at all."""
    texts = [reply for reply in replies if isinstance(reply, str)]
    refusals = [reply.reason for reply in replies if isinstance(reply, Refused)]
    if not texts:
        return Verdict(None, [], refusals[0])
    return Verdict(form.read(texts[-1]), texts, None)


def _read_journal(workspace: Workspace) -> dict[str, Verdict]:
    done = {}
    for entry in workspace.read_journal(JOURNAL):
        for key, scores, replies in entry:
            done[key] = Verdict(None if scores is None else tuple(scores), replies, None)
    return done


def _write_journal(workspace: Workspace, batch: list[str], verdicts: list[Verdict]) -> None:
    """Write one line for a whole batch, so that a batch is in the journal whole or not at all."""
    lines = [
        [key, verdict.scores, verdict.replies]
        for key, verdict in zip(batch, verdicts, strict=True)
        if verdict.refusal is None
    ]
    if lines:
        workspace.append_journal(JOURNAL, lines)
