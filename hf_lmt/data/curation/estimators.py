"""Quality estimators: pairs of texts in, a score for each out."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import IO, Any, TypeAlias

import numpy as np

from hf_miwv.common.errors import InputError

Pair: TypeAlias = tuple[str, str]  # source, translation
BATCH = 512  # pairs that a model in this process reads at a time


class UntrustedScoresError(InputError):
    """It is not sure which pair each score is of, so none of this run can be used."""


def scores_of_command(command: Sequence[str], pairs: Iterable[Pair]) -> Iterator[float]:
    """Yield the scores that a program writes, one for each pair, as soon as it writes them.

    The program reads one JSON object per line, {"src": text, "mt": text}, until its input ends, and
    writes one line for each in the same order: {"score": number}, or the number alone. What it says
    to stderr is shown if it fails.

    Args:
        command (`Sequence[str]`): The program and its arguments; it is started without a shell.
        pairs (`Iterable[Pair]`): Pairs of source and target.

    Yields:
        `float`: The score of each pair, higher for better.

    Raises:
        InputError: it cannot be started, or fails; scores that came before are given out first.
        UntrustedScoresError: it wrote a line that is no score, or too few or too many lines.
    """
    shown = shlex.join(command)
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        except OSError as error:
            raise InputError(
                f"quality: {shown}: cannot be started ({error.strerror}); give a program that is there"
            ) from error
        # Pairs are written in another thread: a program that answers at once would
        # fill its pipe, and both sides would wait for ever.
        feeder = _Feeder(process.stdin, pairs)
        feeder.start()
        try:
            yield from _read_scores(process, feeder, errors, shown)
        finally:
            process.kill()
            process.wait()
            feeder.join()


class _Feeder(threading.Thread):
    """Write pairs to a program while its answers are read, and counts them.

    A program that takes no more is no fault here: the missing answers tell.
    """

    def __init__(self, file: IO[bytes] | None, pairs: Iterable[Pair]) -> None:
        super().__init__(daemon=True)
        assert file is not None  # noqa: S101 - Popen was asked for a pipe
        self._file, self._pairs = file, pairs
        self.pairs_written = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for source, target in self._pairs:
                self.pairs_written += 1
                self._file.write(json.dumps({"src": source, "mt": target}).encode() + b"\n")
        except BrokenPipeError:
            pass
        except BaseException as error:  # raised again where the answers are read
            self.error = error
        finally:
            with suppress(BrokenPipeError):
                self._file.close()


def _read_scores(process: subprocess.Popen[bytes], feeder: _Feeder, errors: IO[bytes], shown: str) -> Iterator[float]:
    # A line without its end may be half a number of a program that died, so it waits for the exit status.
    read, unfinished = 0, b""
    for line in process.stdout or ():
        if not line.endswith(b"\n"):
            unfinished = line  # the last one; of a program that died it may be half a number
            break
        read += 1
        yield _score(line, read, feeder, shown)
    code = process.wait()
    feeder.join()
    if feeder.error is not None:
        raise feeder.error
    if code:
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().splitlines()[-3:]
        raise InputError(
            f"quality: {shown}: ended with status {code} after {read:,} scores"
            + (f"; it said: {' | '.join(said)}" if said else "")
            + ". These scores are kept: run again to go on from there"
        )
    if unfinished:
        read += 1
        yield _score(unfinished, read, feeder, shown)
    if read != feeder.pairs_written:
        raise UntrustedScoresError(
            f"quality: {shown}: wrote {read:,} scores for {feeder.pairs_written:,} pairs; it must write "
            "one line for each. None of them is used"
        )


def _score(line: bytes, number: int, feeder: _Feeder, shown: str) -> float:
    try:
        value = json.loads(line)
        value = value["score"] if isinstance(value, dict) else value
        if isinstance(value, bool) or not math.isfinite(value):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        text = line.decode("utf-8", "replace").strip()[:80]
        raise UntrustedScoresError(
            f"quality: {shown}: line {number} of its output is {text!r}, and must be a score, "
            'such as {"score": 0.83}; let it write all else to stderr. None of its scores is used'
        ) from error
    # An answer before its question cannot be about it.
    if number > feeder.pairs_written:
        raise UntrustedScoresError(
            f"quality: {shown}: wrote {number:,} scores when it had been given {feeder.pairs_written:,} "
            "pairs; it must write one line for each. None of them is used"
        )
    return float(value)


def scores_of_model(model: Any, pairs: Iterable[Pair]) -> Iterator[float]:
    """Yield the cosine of the two embeddings of each pair, by a loaded SentenceTransformer.

    Args:
        model (`SentenceTransformer`): The model.
        pairs (`Iterable[Pair]`): Pairs of source and target.

    Yields:
        `float`: The cosine of each pair, in [-1, 1].
    """
    rest = iter(pairs)
    while batch := list(islice(rest, BATCH)):
        texts = [text for pair in batch for text in pair]
        vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        pairwise = np.asarray(vectors, np.float64).reshape(len(batch), 2, -1)
        yield from (pairwise[:, 0] * pairwise[:, 1]).sum(axis=1).tolist()


def scores_of_comet(model: Any, pairs: Iterable[Pair]) -> Iterator[float]:
    """Score each pair by a model that needs no reference.

    Args:
        model (`CometModel`): The loaded model, such as CometKiwi.
        pairs (`Iterable[Pair]`): Pairs of source and target.

    Yields:
        `float`: The model's score of each pair.
    """
    rest = iter(pairs)
    while batch := list(islice(rest, BATCH)):
        sources, targets = zip(*batch, strict=True)
        yield from model.score(sources, targets).tolist()
