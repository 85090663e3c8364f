"""COMET-22, CometKiwi, XCOMET, or anyone's scorer: another process, JSONL in and JSONL out.

In, on standard input: a line {"src": ..., "mt": ..., "ref": ...} for each row; no "ref" for a model
without references. Out: a line {"score": number} for each row, in order; before them may be one
line {"signature": text}. What the process prints besides belongs on standard error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from hf_lmt.evaluation.metrics.corpus_scores import check_texts
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace

logger = logging.getLogger(__name__)

BLOCK = 512  # rows that are kept or lost together
JOURNAL = "scores.jsonl"


class PublishedModel(NamedTuple):
    """Describe a COMET model on the Hub.

    Attributes:
        name (`str`): Its id.
        references (`bool`): Whether it reads references.
    """

    name: str
    references: bool


MODELS = {
    "comet-22": PublishedModel("Unbabel/wmt22-comet-da", True),
    "cometkiwi": PublishedModel("Unbabel/wmt22-cometkiwi-da", False),  # gated: accept its terms there
    "xcomet": PublishedModel("Unbabel/XCOMET-XL", True),  # gated, too
}


class SentenceScores(NamedTuple):
    """Hold the scores of S rows.

    Attributes:
        values (`np.ndarray`): (S,) float64, NaN where the scorer gave no finite number.
        unscored (`tuple[int, ...]`): The rows without a finite number.
        signature (`str`): The signature that the scorer printed, or else its command.
    """

    values: np.ndarray
    unscored: tuple[int, ...]
    signature: str


def comet_command(python: str | Path, metric: str) -> list[str]:
    """Return the command that scores with COMET in its environment (`comet_environment`).

    Args:
        python (`str | Path`): The Python of that environment.
        metric (`str`): One of MODELS.

    Returns:
        `list[str]`: Program and arguments, for `CometScorer`.

    Raises:
        InputError: An unknown metric.
    """
    if metric not in MODELS:
        raise InputError(f"no COMET metric {metric!r}: {did_you_mean(metric, MODELS)}")
    worker = Path(__file__).with_name("comet_worker.py")
    isolated = "-I"  # else this folder comes first on its path, and this file would be its `comet`
    return [str(python), isolated, str(worker), "--model", MODELS[metric].name, "--block", str(BLOCK)]


@dataclass(frozen=True)
class CometScorer:
    """Score rows by a process that speaks the protocol of this module.

    Args:
        command (`Sequence[str]`): Program and arguments, as `comet_command` gives them.
    """

    command: Sequence[str]

    def score(
        self,
        sources: Sequence[str],
        hypotheses: Sequence[str],
        references: Sequence[str] | None,
        workspace: Path,
    ) -> SentenceScores:
        """Score each row.

        Finished blocks of 512 rows lie in `workspace` until all are done; after a kill, the same
        call goes on behind them, with the same blocks, and so the same scores.

        Args:
            sources (`Sequence[str]`): (S,) texts.
            hypotheses (`Sequence[str]`): (S,) texts.
            references (`Sequence[str]`, *optional*): (S,) texts; None for a model without references.
            workspace (`Path`): A folder for unfinished work, gone after success.

        Returns:
            `SentenceScores`: (S,) scores, with the scorer's signature.

        Raises:
            InputError: The lists differ in length, are empty or hold something other than text; the
                command cannot be started, ends early or with an error, or answers something else
                than a score for each row.
        """
        texts_by_name = {"sources": sources, "hypotheses": hypotheses}
        check_texts(**texts_by_name, **({} if references is None else {"references": references}))
        rows = json_rows(sources, hypotheses, references)
        digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
        with Workspace(workspace) as work:
            work.claim({"command": list(self.command), "rows": digest, "block": BLOCK})
            done = work.read_journal(JOURNAL)
            if sum(len(block["scores"]) for block in done) < len(rows):
                for block in self._blocks(rows[BLOCK * len(done) :], BLOCK * len(done)):
                    work.append_journal(JOURNAL, block)
                    done.append(block)
        return sentence_scores(done, self.name)

    def _blocks(self, rows: list[str], first: int) -> Iterator[dict[str, Any]]:
        """Yield the scores of the rows in blocks; `first` is the index of the first row in the whole."""
        with tempfile.TemporaryFile() as stdin_file, tempfile.TemporaryFile() as stderr_file:
            stdin_file.write("".join(f"{row}\n" for row in rows).encode())
            stdin_file.seek(0)
            with self._started(stdin_file, stderr_file) as process:
                try:
                    yield from self._answers(process, len(rows), first, stderr_file)
                finally:
                    process.kill()

    def _started(self, stdin_file: IO[bytes], stderr_file: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603
                list(self.command), stdin=stdin_file, stdout=subprocess.PIPE, stderr=stderr_file
            )
        except OSError as error:
            raise InputError(
                f"the scorer {self.name} cannot be started: {error.strerror}; "
                "give a command that reads and writes JSONL"
            ) from error

    def _answers(
        self, process: subprocess.Popen[bytes], count: int, first: int, stderr_file: IO[bytes]
    ) -> Iterator[dict[str, Any]]:
        signature, received = f"command:{self.name}", 0
        scores: list[float | None] = []
        for line in process.stdout or ():
            answer = self._read(line, first + received)
            if received == 0 and isinstance(answer, str):
                signature = answer
                continue
            if received == count or isinstance(answer, str):
                raise InputError(
                    f"the scorer {self.name} gave more than one score for each of {count:,} rows; it is to give one"
                )
            if len(scores) == BLOCK:  # and more follow: the last block waits for a clean end
                yield {"signature": signature, "scores": scores}
                scores = []
            scores.append(answer)
            received += 1
        code = process.wait()
        if code or received < count:
            raise InputError(
                f"the scorer {self.name} ended {_how(code)} after {received:,} of {count:,} rows; "
                f"{first + received - len(scores):,} scores are kept, and the same call goes on from "
                f"there. It said:\n{_tail(stderr_file)}"
            )
        yield {"signature": signature, "scores": scores}

    def _read(self, line: bytes, row: int) -> float | str | None:
        """Read a line: a score, None where it is not finite, or the signature."""
        try:
            answer = json.loads(line)
            if isinstance(answer.get("signature"), str):
                return answer["signature"]
            score = answer["score"]
            if isinstance(score, bool) or not isinstance(score, int | float):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            shown = line.decode("utf-8", "replace").strip()[:200]
            raise InputError(
                f"the scorer {self.name} answered {shown!r} for row {row}; it is to write "
                '{"score": number}, and all else to standard error'
            ) from None
        return float(score) if math.isfinite(score) else None

    @property
    def name(self) -> str:
        """Return the command as a shell would read it: the scorer's name in messages."""
        return shlex.join(self.command)


def sentence_scores(blocks: Sequence[Mapping[str, Any]], name: str) -> SentenceScores:
    """Put finished blocks together, and warn of rows without a finite score.

    Args:
        blocks (`Sequence[Mapping[str, Any]]`): As in the journal, {"signature": text, "scores": list}.
        name (`str`): The scorer's, for the warning.

    Returns:
        `SentenceScores`: The scores of all rows.
    """
    values = np.array([score for block in blocks for score in block["scores"]], np.float64)
    unscored = np.flatnonzero(np.isnan(values)).tolist()
    if unscored:
        logger.warning(
            "%s gave no finite score for %s of %s rows, the first of them row %s: they are left out of its mean",
            name,
            len(unscored),
            len(values),
            unscored[0],
        )
    return SentenceScores(values, tuple(unscored), blocks[-1]["signature"])


def json_rows(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None) -> list[str]:
    """Write rows as the lines of the protocol of this module.

    Args:
        sources (`Sequence[str]`): (S,) texts.
        hypotheses (`Sequence[str]`): (S,) their translations.
        references (`Sequence[str] | None`): (S,) translations by people; None for a metric without.

    Returns:
        `list[str]`: (S,) lines of JSON.
    """
    rows = [{"src": source, "mt": text} for source, text in zip(sources, hypotheses, strict=True)]
    if references is not None:
        rows = [{**row, "ref": text} for row, text in zip(rows, references, strict=True)]
    return [json_text(row) for row in rows]


def _how(code: int) -> str:
    if code < 0:
        return f"by signal {-code}"
    return f"with exit code {code}"


def _tail(stderr_file: IO[bytes]) -> str:
    stderr_file.seek(0)
    lines = stderr_file.read().decode("utf-8", "replace").strip().splitlines()
    return "\n".join(lines[-10:]) or "nothing"
