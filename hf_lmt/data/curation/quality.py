"""The filter on how well a target translates its source, by an estimate without a reference."""

from __future__ import annotations

import json
import logging
import shlex
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow
import xxhash
from datasets import Dataset

from hf_lmt.comet.comet_settings import DTYPES, FLOAT32
from hf_lmt.data.curation.estimators import Pair, scores_of_comet, scores_of_command, scores_of_model
from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.quality_scores import QualityScores, pair_keys
from hf_lmt.data.curation.step import Step, with_reason
from hf_lmt.data.hashing import text_column
from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

BATCH = 10_000  # rows
DIGITS = 4  # of a score that count: the order of a batch moves the others
WORKER = Path(__file__).with_name("quality_worker.py")

logger = logging.getLogger(__name__)


@dataclass
class QualityEstimation(Step):
    """Takes rows whose estimated quality is below `threshold`.

    The estimator is one of three:

    - `model` alone, here in this process: a COMET model that needs no reference, such as
      Unbabel/wmt22-cometkiwi-da (its terms are to be accepted on the Hub); or a sentence-transformers
      model, and the score is the cosine of the embeddings of source and target. A COMET model is
      known by its hparams.yaml; `dtype` is its encoder's, float32 (the default) or bfloat16.
    - `model` and `python`: a COMET model, run by unbabel-comet and the Python at this path.
    - `command`: any program, see `estimators.scores_of_command`. It is split like a line of a
      shell, and runs without one.

    CometKiwi is the estimator of arXiv 2511.07003; the threshold, which it leaves open, is ours:
    the middle one of those marked in its plots, 0.6, 0.7 and 0.8. It is for CometKiwi; cosines are
    on another scale, so look at some before. Rows with a side in a language that is not among
    `languages` stay, and `notes` count them.

    Scores lie in the cache of `datasets` by estimator and texts as soon as they are there, so a
    killed run goes on, and another threshold costs nothing. An estimator is another one if its
    settings are, or files that they name; a model on the Hub goes by its name alone. Holds 16
    bytes for each score.

    Args:
        model (`str`, *optional*): Hub id or folder of the estimator.
        python (`str`, *optional*): Path of a Python with unbabel-comet, to run a COMET model there.
        command (`str`, *optional*): A program in place of a model, as a line of a shell.
        threshold (`float`, *optional*, defaults to `0.7`): The lowest score of a row that stays.
        languages (`Sequence[str]`, *optional*): Codes that the estimator covers; by default those that COMET does
            (`Language.comet`).
        dtype (`str`, *optional*): Of the encoder of a COMET model in this process, "float32" (the default) or
            "bfloat16", which needs half the memory.

    Attributes:
        notes (`dict[str, Any]`): "not_covered", {language: rows}; "scored", rows with a score.

    Raises:
        InputError: settings that do not go together; an estimator that cannot be had or fails.
    """

    name: ClassVar[str] = "quality"

    model: str | None = None
    python: str | None = None
    command: str | None = None
    threshold: float = 0.7
    languages: Sequence[str] | None = None
    dtype: str | None = None
    notes: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_number("quality: threshold", self.threshold, -100, 100)
        if (self.model is None) == (self.command is None) or (self.command and self.python):
            raise InputError(
                "quality: give model (a COMET or sentence-transformers model), or model and python (a COMET "
                "model, and the Python that has unbabel-comet), or command (a program of your own)"
            )
        if self.dtype is not None and (self.python or self.command or self.dtype not in DTYPES):
            raise InputError(
                f"quality: dtype {self.dtype}: give {' or '.join(DTYPES)}, for a COMET model in this process alone"
            )
        if isinstance(self.languages, str):
            raise InputError(f"quality: languages must be a list, as in [{self.languages}]")
        covered_codes = [
            known_language.code for known_language in LANGUAGES.values() if known_language.comet == "covered"
        ]
        codes = covered_codes if self.languages is None else self.languages
        self._covered = frozenset(language(code).code for code in codes)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        not_pickled = ("notes", "_scores", "_loaded")
        return {name: value for name, value in vars(self).items() if name not in not_pickled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, notes={})
        self._forget()

    def survey(self, rows: Dataset) -> None:
        """Have all rows scored by one start of the estimator.

        Args:
            rows (`Dataset`): All rows; pairs whose scores lie on disk are not scored again.
        """
        self._score(self._missing(rows.with_format("arrow").iter(BATCH)))

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        covered = self._is_covered(rows, count=True)
        keys = pair_keys(text_column(rows, "source"), text_column(rows, "target"))
        if not self._known.known(keys[covered]).all():
            self._score(self._missing([rows]))
        low = np.zeros(len(rows), bool)
        # Rounded, because the order of a batch moves the last digits of a score, and a row must not go for that.
        low[covered] = self._known.of(keys[covered]).round(DIGITS) < self.threshold
        self.notes["scored"] += int(covered.sum())
        return with_reason(low, "quality below the threshold")

    def _forget(self) -> None:
        self.notes.update(not_covered=Counter(), scored=0)
        self._scores: QualityScores | None = None
        self._loaded: Any = None

    @property
    def _known(self) -> QualityScores:
        if self._scores is None:
            import datasets

            folder = Path(datasets.config.HF_DATASETS_CACHE)
            self._scores = QualityScores(folder / f"lmt-quality-{self._identity()}")
        return self._scores

    def _is_covered(self, rows: pyarrow.Table, count: bool = False) -> np.ndarray:
        """Check whether the estimator knows both languages: (B,) bool."""
        covered = np.ones(len(rows), bool)
        sides = [text_column(rows, f"{side}_lang").to_pylist() for side in ("source", "target")]
        for row_index, codes in enumerate(zip(*sides, strict=True)):
            for code in codes:
                if code not in self._covered:
                    covered[row_index] = False
                    if count:
                        self.notes["not_covered"][code] += 1
        return covered

    def _missing(self, batches: Iterable[pyarrow.Table]) -> Iterator[tuple[int, Pair]]:
        """Yield (key, pair) of rows that are covered and have no score yet."""
        for rows in batches:
            sources, targets = (text_column(rows, side) for side in ("source", "target"))
            keys = pair_keys(sources, targets)
            positions = np.flatnonzero(self._is_covered(rows) & ~self._known.known(keys))
            positions = positions[np.unique(keys[positions], return_index=True)[1]]  # each pair once
            texts = (side.take(pyarrow.array(positions)).to_pylist() for side in (sources, targets))
            yield from zip(keys[positions].tolist(), zip(*texts, strict=True), strict=True)

    def _score(self, missing: Iterator[tuple[int, Pair]]) -> None:
        """Have the estimator score these, and write its scores down."""
        # Looked at before anything starts: with all scores in the cache no model is loaded.
        first = next(missing, None)
        if first is None:
            return  # no estimator starts for nothing
        keys: deque[int] = deque()  # of the pairs that are on their way

        def pairs() -> Iterator[Pair]:
            for key, pair in chain([first], missing):
                keys.append(key)
                yield pair

        # Pairs are answered in their order, so the oldest key that has no score is the one of the next score.
        self._known.add((keys.popleft(), score) for score in self._estimate(pairs()))

    def _estimate(self, pairs: Iterator[Pair]) -> Iterator[float]:
        command = self._command_line()
        if command is not None:
            logger.info("estimating quality: %s", shlex.join(command))
            return scores_of_command(command, pairs)
        if self._loaded is None:
            self._loaded = _load(str(self.model), self.dtype)
        if hasattr(self._loaded, "encode"):
            return scores_of_model(self._loaded, pairs)
        return scores_of_comet(self._loaded, pairs)

    def _command_line(self) -> list[str] | None:
        if self.command is not None:
            return shlex.split(self.command)
        return [self.python, str(WORKER), str(self.model)] if self.python else None

    def _identity(self) -> str:
        """Return a hash that tells this estimator from others: of its settings, and the files they name."""
        words = self._command_line() or [str(self.model), *([self.dtype] if self.dtype else [])]
        files = [Path(word).expanduser() for word in words]
        if self.model is not None and Path(self.model).is_dir():
            files += sorted(Path(self.model).rglob("*"))
        # Size and time tell a retrained model or a changed program from the one whose scores are in the cache.
        states = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]
        return xxhash.xxh3_128_hexdigest(json.dumps([words, states]).encode())


def _load(source: str, dtype: str | None) -> Any:
    """Load a COMET model or an embedder."""
    from hf_lmt.comet.load_comet import is_comet, load_comet
    from hf_miwv.common.models.models import load_embedder

    if not is_comet(source):
        if dtype is not None:
            raise InputError(f"quality: dtype {dtype} is for COMET models, and {source!r} is none; leave it out")
        return load_embedder(source)
    model = load_comet(source, dtype=dtype or FLOAT32)
    if model.settings.needs_references:
        raise InputError(
            f"quality: model {source!r} scores with a reference, and training pairs have none; "
            "give one without, such as Unbabel/wmt22-cometkiwi-da"
        )
    return model
