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

from tqdm.auto import tqdm

from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.judging.question import ask_again, prompt_sha256, read_scores
from hf_miwv.rows.turns import Turn

JOURNAL = "verdicts.jsonl"

logger = logging.getLogger(__name__)


class Refused(NamedTuple):
    """The judge takes this question not at all (too long for it, say), and why."""

    reason: str


@dataclass(frozen=True)
class Judge:
    """Who is asked: an endpoint or a model here.

    `description` is all that its verdicts depend on, for run.json; it never holds a key. `ask`
    takes a batch of conversations and returns a reply, or a refusal, for each. `batches` cuts
    all questions into batches of their indices; `concurrency` batches are asked at a time.
    """

    description: dict[str, Any]
    ask: Callable[[Sequence[list[Turn]]], list[str | Refused]]
    batches: Callable[[Sequence[list[Turn]]], list[list[int]]]
    concurrency: int

    @property
    def identity(self) -> dict[str, Any]:
        """The description without the name of a model, whose weights have a fingerprint."""
        names = ("source", "revision")
        return {name: value for name, value in self.description.items() if name not in names}


class Verdict(NamedTuple):
    """Scores of the first and the second answer shown, or None, and what the judge wrote."""

    scores: tuple[float, float] | None
    replies: list[str]
    refusal: str | None


def verdict_key(judge: Judge, prompt: str, first: str, second: str) -> str:
    """A hash of everything a verdict depends on: judge, words of the question, pair and order."""
    content = [judge.identity, prompt_sha256(), prompt, first, second]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def collect_verdicts(
    judge: Judge,
    questions: Mapping[str, list[Turn]],
    workspace: Workspace,
    progress: bool = True,
) -> dict[str, Verdict]:
    """The verdict on each question by its `verdict_key`; those in the journal are not asked.

    A reply that cannot be read is asked for once more, with a word on the form. Refusals are not
    written down, so that a later call asks again.

    Raises:
        InputError: the judge cannot be asked at all. What is under way is waited for and kept.
    """
    done = _read_journal(workspace)
    found = {key: done[key] for key in questions if key in done}
    if found:
        logger.info(
            "going on with the unfinished work in %s: %d of %d verdicts are there",
            workspace.folder,
            len(found),
            len(questions),
        )
    keys = list(questions)
    left = [
        [keys[index] for index in batch if keys[index] not in found]
        for batch in judge.batches(list(questions.values()))
    ]
    with tqdm(total=len(keys), initial=len(found), desc="judging", unit="verdict", disable=not progress) as bar:
        for verdicts in _ask_all(judge, questions, [batch for batch in left if batch], workspace):
            found |= verdicts
            bar.update(len(verdicts))
    return found


def _ask_all(
    judge: Judge,
    questions: Mapping[str, list[Turn]],
    batches: Sequence[list[str]],
    workspace: Workspace,
) -> Iterator[dict[str, Verdict]]:
    """The verdicts of each batch of keys, written down by who asked before it asks again.

    After a fault nothing more is asked; it is raised when all that was under way is done.
    """
    stop, lock = Event(), Lock()

    def ask(batch: list[str]) -> dict[str, Verdict]:
        if stop.is_set():
            return {}
        try:
            verdicts = _ask_twice(judge, [questions[key] for key in batch])
            with lock:
                _write_journal(workspace, batch, verdicts)
        except BaseException:
            stop.set()
            raise
        return dict(zip(batch, verdicts, strict=True))

    with ThreadPoolExecutor(judge.concurrency) as pool, ExitStack() as stack:
        stack.callback(stop.set)  # also on Ctrl-C: the pool waits only for what is under way
        futures = [pool.submit(ask, batch) for batch in batches]
        yield from (future.result() for future in as_completed(futures) if not future.exception())
    for future in futures:
        future.result()  # raises the fault, if there was one


def _ask_twice(judge: Judge, conversations: list[list[Turn]]) -> list[Verdict]:
    """Ask for a batch, and once more for the replies that cannot be read."""
    replies: list[list[str | Refused]] = [[reply] for reply in judge.ask(conversations)]
    again = [index for index, (reply,) in enumerate(replies) if isinstance(reply, str) and read_scores(reply) is None]
    if again:
        longer = [ask_again(conversations[index], str(replies[index][0])) for index in again]
        for index, reply in zip(again, judge.ask(longer), strict=True):
            replies[index].append(reply)
    return [_verdict(both) for both in replies]


def _verdict(replies: list[str | Refused]) -> Verdict:
    """The last readable reply counts; a refusal counts only where there was no reply at all."""
    texts = [reply for reply in replies if isinstance(reply, str)]
    refusals = [reply.reason for reply in replies if isinstance(reply, Refused)]
    if not texts:
        return Verdict(None, [], refusals[0])
    return Verdict(read_scores(texts[-1]), texts, None)


def _read_journal(workspace: Workspace) -> dict[str, Verdict]:
    done = {}
    for entry in workspace.read_journal(JOURNAL):
        for key, scores, replies in entry:
            done[key] = Verdict(None if scores is None else tuple(scores), replies, None)
    return done


def _write_journal(workspace: Workspace, batch: list[str], verdicts: list[Verdict]) -> None:
    """One line for a whole batch, so that a batch is there whole or not at all."""
    lines = [
        [key, verdict.scores, verdict.replies]
        for key, verdict in zip(batch, verdicts, strict=True)
        if verdict.refusal is None
    ]
    if lines:
        workspace.append_journal(JOURNAL, lines)
