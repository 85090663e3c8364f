"""The filter on rows that say what an evaluation set says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow
import xxhash

from hf_lmt.data.corpora.sources import Source, source_from
from hf_lmt.data.curation.evaluation_sets import EVALUATION_SETS, read_evaluation_set
from hf_lmt.data.curation.ngrams import (
    Folded,
    character_grams,
    fold,
    is_unspaced,
    whole_texts,
    word_grams,
)
from hf_lmt.data.curation.step import Step, reasons
from hf_lmt.data.hashing import text_column, text_hashes
from hf_lmt.language_codes import code_of
from hf_miwv.common.errors import InputError

TEXTS = 10_000  # folded at a time
REMEMBERED = 500_000  # distinct texts whose answers are kept, about 60 MB


class _Index(NamedTuple):
    """Sorted uint64 hashes of one set: of whole texts, runs of words, of characters."""

    whole: np.ndarray
    words: np.ndarray
    characters: np.ndarray


@dataclass
class EvaluationOverlap(Step):
    """Takes rows of which a side is in an evaluation set, as a whole or by a long run.

    A side overlaps with a set if, folded as in `ngrams`, it is one of the set's texts in any
    language, or shares `words` consecutive words with one; in languages without blanks between
    words (`ngrams.is_unspaced`) `characters` consecutive characters. So FLORES devtest stays unseen
    also where a training text is merely longer. Compared by 64-bit hashes: a wrong match is to be
    expected once in 10^12 runs or so. 13 words are the habit since GPT-3 (arXiv 2005.14165,
    appendix C); 20 characters, and that all languages of a set count, are ours.

    A set takes 8 bytes for each run in it, about 10 MB for 1,012 lines in 60 languages. Answers
    are remembered by text, so multi-way rows cost little more than their distinct sentences.

    Args:
        sets (`Any`): Names out of `EVALUATION_SETS`, paths, `Source`s or their fields; "none" or an empty list for
            no check at all, which `notes` then say.
        words (`int`, *optional*, defaults to `13`): From this number of words on a run counts.
        characters (`int`, *optional*, defaults to `20`): The same for languages without blanks.

    Attributes:
        notes (`dict[str, Any]`): "sets", {name: {"texts": ..., "languages": ...}}, once rows were judged; or
            {"checked": "not checked"}.

    Raises:
        InputError: a set is neither known nor readable; a number is not whole or below 1.
    """

    name: ClassVar[str] = "contamination"

    sets: Any = tuple(EVALUATION_SETS)
    words: int = 13
    characters: int = 20
    notes: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _indices: list[_Index] | None = field(default=None, init=False, repr=False, compare=False)
    _answers: dict[tuple[int, bool], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.sets = _listed(self.sets)
        for option in ("words", "characters"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"contamination: {option} {value!r}: give a whole number of at least 1")

    def __getstate__(self) -> dict[str, Any]:
        not_pickled = ("notes", "_indices", "_answers")
        return {name: value for name, value in vars(self).items() if name not in not_pickled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, notes={}, _indices=None, _answers={})

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        self.load()
        if not self.sets:
            return [None] * len(rows)
        first_sets = {side: self._first_sets(rows, side) for side in ("source", "target")}
        return reasons(
            {
                f"{side} in {label}": first_sets[side] == number
                for number, label in enumerate(map(_label, self.sets), start=1)
                for side in first_sets
            }
        )

    def overlaps(self, texts: Sequence[str], lang: str) -> np.ndarray:
        """Check whether each text overlaps with one of the sets.

        Args:
            texts (`Sequence[str]`): (B,) texts.
            lang (`str`): Code of the language that all of them are in.

        Returns:
            `np.ndarray`: (B,) bool.
        """
        column = pyarrow.array(texts, pyarrow.large_string())
        return self._answered(column, is_unspaced(lang)) > 0

    @property
    def idle(self) -> bool:
        """Return whether there is no set to compare with."""
        return not self.sets

    def load(self) -> None:
        """Read the sets now, and not with the first rows: what cannot be read shows at once."""
        if self._indices is not None:
            return
        indices, counts = [], {}
        for evaluation_set in self.sets:
            texts = read_evaluation_set(evaluation_set)
            indices.append(_index(texts, self.words, self.characters))
            total = sum(map(len, texts.values()))
            counts[_label(evaluation_set)] = {"texts": total, "languages": len(texts)}
        self._indices = indices
        self.notes.update({"sets": counts} if counts else {"checked": "not checked"})

    def contents(self) -> list[str]:
        """Hash the texts of each set, which tells it from another one under the same name.

        Returns:
            `list[str]`: A digest for each set, in the order of `sets`.

        Raises:
            InputError: a set cannot be read.
        """
        self.load()
        return [_digest(index) for index in self._indices or ()]

    def _first_sets(self, rows: pyarrow.Table, side: str) -> np.ndarray:
        """Return (B,) the number of the first set that the side overlaps with, from 1; 0 for none."""
        languages = text_column(rows, f"{side}_lang").dictionary_encode()
        unspaced = np.array([is_unspaced(code) for code in languages.dictionary.to_pylist()], bool)
        groups = unspaced[languages.indices.to_numpy()]
        texts = text_column(rows, side)
        first_sets = np.zeros(len(rows), np.int64)
        for kind in (False, True):
            chosen = groups == kind
            if chosen.any():
                first_sets[chosen] = self._answered(texts.filter(pyarrow.array(chosen)), kind)
        return first_sets

    def _answered(self, texts: pyarrow.Array, unspaced: bool) -> np.ndarray:
        """Return `_first_sets` of texts, (B,): from memory, or looked up once for each distinct text."""
        self.load()
        # Emptied as a whole, not text by text: keeping track of which answers are
        # old would cost more than to look some up again.
        if len(self._answers) > REMEMBERED:
            self._answers.clear()
        # A multi-way row repeats one text dozens of times; each distinct text is folded and looked up once.
        hashes, first, hash_of_row = np.unique(text_hashes(texts), return_index=True, return_inverse=True)
        keys = [(number, unspaced) for number in hashes.tolist()]
        fresh = [index for index, key in enumerate(keys) if key not in self._answers]
        for begin in range(0, len(fresh), TEXTS):
            batch = fresh[begin : begin + TEXTS]
            answers = self._look_up(texts.take(pyarrow.array(first[batch])), unspaced)
            self._answers.update(zip((keys[index] for index in batch), answers, strict=True))
        return np.array([self._answers[key] for key in keys], np.int64)[hash_of_row]

    def _look_up(self, texts: pyarrow.Array, unspaced: bool) -> list[int]:
        folded = fold(texts.to_pylist())
        whole = whole_texts(folded)
        runs = _runs(folded, unspaced, self.words, self.characters)
        first_sets = np.zeros(len(texts), np.int64)
        # From the last set to the first, so that the first one that overlaps is what remains.
        for number, index in reversed(list(enumerate(self._indices or (), start=1))):
            first_sets[_among(whole, index.whole)] = number
            known = index.characters if unspaced else index.words
            first_sets[runs.rows[_among(runs.hashes, known)]] = number
        return first_sets.tolist()


def _runs(folded: Folded, unspaced: bool, words: int, characters: int) -> Any:
    return character_grams(folded, characters) if unspaced else word_grams(folded, words)


def _among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Check whether each is one of `known`, (K,) sorted: (S,) bool."""
    if not len(known):
        return np.zeros(len(hashes), bool)
    nearest = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return known[nearest] == hashes


def _index(texts: Mapping[str, Sequence[str]], words: int, characters: int) -> _Index:
    whole, runs = [], {False: [np.zeros(0, np.uint64)], True: [np.zeros(0, np.uint64)]}
    for name, texts_of_language in texts.items():
        unspaced = is_unspaced(code_of(name) or name)
        for begin in range(0, len(texts_of_language), TEXTS):
            folded = fold(texts_of_language[begin : begin + TEXTS])
            whole.append(whole_texts(folded))
            runs[unspaced].append(np.unique(_runs(folded, unspaced, words, characters).hashes))
    all_whole = np.unique(np.concatenate(whole))
    # 0 is the hash of a text of which folding leaves nothing; it would match every such text.
    return _Index(all_whole[all_whole != 0], *(np.unique(np.concatenate(runs[kind])) for kind in runs))


def _digest(index: _Index) -> str:
    digest = xxhash.xxh3_128()
    for hashes in index:
        digest.update(np.uint64(len(hashes)).tobytes() + hashes.tobytes())
    return digest.hexdigest()


def contents_of_sets(steps: Sequence[Step]) -> list[str]:
    """Return `EvaluationOverlap.contents` of the one among the steps, for the identity of a run.

    Args:
        steps (`Sequence[Step]`): The steps of a curation.

    Returns:
        `list[str]`: A digest for each evaluation set; none where no step compares with any.

    Raises:
        InputError: a set cannot be read.
    """
    return [digest for step in steps if isinstance(step, EvaluationOverlap) for digest in step.contents()]


def _label(evaluation_set: str | Source | Mapping[str, Any]) -> str:
    if isinstance(evaluation_set, str):
        return evaluation_set
    return (
        evaluation_set if isinstance(evaluation_set, Source) else source_from(evaluation_set, "contamination: sets")
    ).name


def _listed(sets: Any) -> tuple[Any, ...]:
    """Return the setting `sets` as a tuple; empty for none."""
    if sets is None or sets is False or sets == "none":
        return ()
    if isinstance(sets, (str, Source, Mapping)):
        sets = [sets]
    if not isinstance(sets, Sequence):
        raise InputError(
            f"contamination: sets: {sets!r}: give a list of names ({', '.join(EVALUATION_SETS)}) or paths, or none"
        )
    for evaluation_set in sets:
        if evaluation_set == "none":
            raise InputError("contamination: sets: none stands alone; leave it or the others out")
        if not isinstance(evaluation_set, (str, Source, Mapping)):
            known = ", ".join(EVALUATION_SETS)
            raise InputError(f"contamination: sets: {evaluation_set!r}: give names ({known}) or paths")
    return tuple(sets)
