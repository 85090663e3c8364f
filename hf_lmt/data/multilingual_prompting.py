"""Parallel Multilingual Prompting: a translation into a third language as a hint in the prompt."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import numpy as np
import xxhash
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from hf_lmt.data.hashing import (
    Batch,
    below,
    check_seed,
    check_share,
    column_names,
    decision_hashes,
    direction_column,
    optional_texts,
    row_keys,
    text_column,
)
from hf_lmt.data.multiway import auxiliary_of
from hf_lmt.data.prompts import (
    Wording,
    as_conversation,
    as_text,
    find_wording,
    thinking_arguments,
    translation_prompt,
)
from hf_lmt.directions import DIRECTIONS, parse_direction
from hf_lmt.errors import InputError, did_you_mean
from hf_lmt.languages import PIVOTS, language

DEFAULT_SHARE = 0.5  # half plain, half with a hint, forward and reverse alike: arXiv 2511.07003
DECISION = "hint"
FORMS = ("conversation", "text")
ADDED = ("prompt", "completion", "hinted", "chat_template_kwargs")
COLUMNS = ("source_lang", "target_lang", "source", "target")
BATCH = 10_000  # rows
RULES = 1  # part of the pickle, so of the cache's name: raise it when other rows come to be hinted

Hint = tuple[str, str]  # language, text
Join = tuple[str, str]  # pivot, auxiliary language
Found = tuple[np.ndarray, np.ndarray]  # hashes, places


@dataclass
class ParallelMultilingualPrompting:
    """Adds prompt and completion, with a hint in half of the rows that have an auxiliary sentence.

        hinted  iff  the row has an auxiliary  and  hash(seed, direction, key) / 2^64 < share

    (section "Parallel Multilingual Prompting" of arXiv 2511.07003; the draw by hash is ours, and
    independent of the one of StrategicDownsampling). A row whose auxiliary is null or blank gets
    the plain prompt. The completion is the target alone.

    >>> ready = ParallelMultilingualPrompting(seed=7)(dataset)                  # doctest: +SKIP
    >>> ready = dataset.map(ParallelMultilingualPrompting(seed=7), batched=True)  # doctest: +SKIP

    Columns added: `prompt` and `completion` in TRL's form, `hinted` (whether with a hint), and
    `chat_template_kwargs` where the thinking policy tells the chat template something.

    Args:
        share: of the rows with an auxiliary, the share that gets it as a hint.
        seed: 0 or more.
        wording: "released", "figure", or a Wording of your own; see `prompts`.
        form: "conversation", or "text" for base models.
        thinking: "disabled" or "template", for conversations; see `prompts.THINKING`.

    Raises:
        InputError: a share outside [0, 1], a seed below 0, an unknown name; on rows, a missing
            column or text, an unknown language, an auxiliary in a language of the direction, or
            columns that would be written over.
    """

    share: float = DEFAULT_SHARE
    _: KW_ONLY
    seed: int = 0
    wording: str | Wording = "released"
    form: str = "conversation"
    thinking: str = "disabled"

    def __post_init__(self) -> None:
        check_share("share", self.share)
        check_seed(self.seed)
        find_wording(self.wording)
        thinking_arguments(self.thinking)
        if self.form not in FORMS:
            raise InputError(f"form {self.form!r}: {did_you_mean(str(self.form), FORMS)}")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "wording": find_wording(self.wording), "rules": RULES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: value for name, value in state.items() if name != "rules"})

    def __call__(self, rows: Any, num_proc: int | None = None) -> Any:
        """The rows with their prompts; for a batch of columns, the new columns.

        Args:
            rows: a Dataset, an IterableDataset, a dict of splits of either, or a batch. Columns:
                COLUMNS; auxiliary_lang, auxiliary, row_key and corpus where there are any.
            num_proc: processes, for a Dataset.
        """
        return _mapped(self, rows, num_proc) if _is_data(rows) else self._prompts(rows)

    def _prompts(self, batch: Batch) -> dict[str, list[Any]]:
        taken = [name for name in ADDED if name in column_names(batch)]
        if taken:
            raise InputError(
                f"the rows already have the columns {', '.join(taken)}; rename them, or remove "
                "them with remove_columns"
            )
        columns = [text_column(batch, name).to_pylist() for name in COLUMNS]
        hints = _hints(batch)
        hinted = self._drawn(batch) & np.array([hint is not None for hint in hints], bool)
        drawn = [hint if keep else None for hint, keep in zip(hints, hinted, strict=True)]
        rows = [self._row(*row) for row in zip(*columns, drawn, strict=True)]
        told = thinking_arguments(self.thinking) if self.form == "conversation" else {}
        added = ("prompt", "completion", *(["chat_template_kwargs"] if told else []))
        return {**{name: [row[name] for row in rows] for name in added}, "hinted": hinted.tolist()}

    def _row(
        self, source_lang: str, target_lang: str, source: str, target: str, hint: Hint | None
    ) -> dict[str, Any]:
        given = {"auxiliary_lang": hint[0], "auxiliary": hint[1]} if hint else {}
        prompt = translation_prompt(source, source_lang, target_lang, wording=self.wording, **given)
        if not target.strip():
            raise InputError(f"{source_lang}-{target_lang}: the target of {source[:60]!r} has no "
                             "text: leave the row out")  # fmt: skip
        if self.form == "text":
            return as_text(prompt, target)
        return as_conversation(prompt, target, thinking=self.thinking)

    def _drawn(self, batch: Batch) -> np.ndarray:
        hashes = decision_hashes(DECISION, self.seed, direction_column(batch), row_keys(batch))
        return below(hashes, self.share)


class AuxiliarySentences:
    """Finds the auxiliary sentence of a row by the English or Chinese text that it shares.

    For En<->X the sentence of X's auxiliary language A, from a row of En<->A with the same English
    text; for Zh<->X the English one, from a row of En<->Zh with the same Chinese text (equal in
    Unicode's form NFC). Of several candidates the one with the lowest hash is taken, so that the
    order of the rows does not matter. Multi-way tables are joined by line by `multiway.expand`.

    >>> joined = AuxiliarySentences(dataset)(dataset)                           # doctest: +SKIP

    Texts stay where `rows` has them (on disk, for a data set that was loaded): 16 bytes of memory
    are held for each sentence that may be a hint, 24 and what sorting takes while they are
    gathered. Sentences are told apart by 64 bits: with ten million of them, and as many rows to
    join, one wrong match is to be expected in 200,000 runs.

    Args:
        rows: source_lang, target_lang, source, target; all rows from which hints may come.

    Raises:
        InputError: a stream or dict of splits, a missing column, a null, an unknown language.
    """

    def __init__(self, rows: Dataset) -> None:
        if not isinstance(rows, Dataset):
            raise InputError(
                f"AuxiliarySentences reads a datasets.Dataset, not {type(rows).__name__}: name "
                "the split, or write the stream to disk first"
            )
        self._texts = rows.select_columns(["source", "target"]).with_format("arrow")
        self._found = _gather(rows)

    def __call__(self, rows: Any, num_proc: int | None = None) -> Any:
        """The rows with auxiliary_lang and auxiliary, empty texts where none is found.

        What a row has of these already stays. For a batch of columns, the two columns.
        """
        return _mapped(self, rows, num_proc) if _is_data(rows) else self._join(rows)

    def _join(self, batch: Batch) -> dict[str, list[str]]:
        hints = _hints(batch)
        for (_, auxiliary_lang), rows, places in self._matches(batch, hints):
            for row, text in zip(rows, self._read(places), strict=True):
                hints[row] = (auxiliary_lang, text)
        return {
            "auxiliary_lang": [hint[0] if hint else "" for hint in hints],
            "auxiliary": [hint[1] if hint else "" for hint in hints],
        }

    def _matches(
        self, batch: Batch, hints: list[Hint | None]
    ) -> Iterator[tuple[Join, list[int], np.ndarray]]:
        """For each join: rows of the batch without a hint, and the places of their sentences."""
        names = direction_column(batch).to_pylist()
        sides = [text_column(batch, name).to_pylist() for name in ("source", "target")]
        open_rows: dict[Join, dict[int, int]] = defaultdict(dict)  # row -> hash of its pivot text
        for row, (name, hint, *texts) in enumerate(zip(names, hints, *sides, strict=True)):
            join = _join_of(name)
            if hint is None and join in self._found:
                pivot_side = name.split("-").index(join[0])
                open_rows[join][row] = _text_hash(texts[pivot_side])
        for join, asked in open_rows.items():
            hashes, places = self._found[join]
            sought = np.fromiter(asked.values(), np.uint64, len(asked))
            spots = np.minimum(np.searchsorted(hashes, sought), len(hashes) - 1)
            hit = hashes[spots] == sought
            if hit.any():
                yield join, np.array(list(asked))[hit].tolist(), places[spots[hit]]

    def _read(self, places: np.ndarray) -> list[str]:
        table = self._texts[(places // 2).tolist()]
        sides = [table[name].to_pylist() for name in ("source", "target")]
        return [sides[side][row] for row, side in enumerate((places % 2).tolist())]


@lru_cache(maxsize=4096)
def _join_of(name: str) -> Join | None:
    """(pivot, auxiliary language) of a direction: whose texts are joined, and what they find."""
    direction = parse_direction(name)
    auxiliary_lang = auxiliary_of(direction)
    pivot = next((code for code in direction if code in PIVOTS), None)
    return (pivot, auxiliary_lang) if pivot and auxiliary_lang else None


@lru_cache(maxsize=4096)
def _offers(name: str) -> list[tuple[Join, int]]:
    """What a row of a direction can be the hint for, and the side that its pivot is on."""
    joins = {_join_of(str(direction)) for direction in DIRECTIONS}
    direction = tuple(parse_direction(name))
    return [(join, side) for side, join in enumerate((direction, direction[::-1])) if join in joins]


def _gather(rows: Dataset) -> dict[Join, Found]:
    """For each join, (S,) sorted uint64 hashes of pivot texts, and (S,) places of their hints.

    A place is 2 x row + side, side 1 where the hint is the row's target.
    """
    gathered: dict[Join, list[array[int]]]
    gathered = defaultdict(lambda: [array("Q"), array("Q"), array("q")])
    arrow, first = rows.select_columns(list(COLUMNS)).with_format("arrow"), 0
    for batch in arrow.iter(BATCH):
        names = direction_column(batch).to_pylist()
        sides = [text_column(batch, name).to_pylist() for name in ("source", "target")]
        for row, (name, *texts) in enumerate(zip(names, *sides, strict=True), first):
            for join, side in _offers(name):
                if texts[0].strip() and texts[1].strip():
                    pivots, hints, places = gathered[join]
                    pivots.append(_text_hash(texts[side]))
                    hints.append(_text_hash(texts[1 - side]))
                    places.append(2 * row + 1 - side)
        first += len(batch)
    return {join: _lowest(*columns) for join, columns in sorted(gathered.items())}


def _lowest(pivots: array[int], hints: array[int], places: array[int]) -> Found:
    """Each pivot hash once, sorted, with the place of its hint of the lowest hash."""
    hashes = np.frombuffer(pivots, np.uint64)
    order = np.lexsort((np.frombuffer(hints, np.uint64), hashes))
    unique, first = np.unique(hashes[order], return_index=True)
    return unique, np.frombuffer(places, np.int64)[order[first]]


def _text_hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(normalize("NFC", text).encode())


def _hints(batch: Batch) -> list[Hint | None]:
    """(B,) what the rows have as auxiliary: its language and text, or None.

    Raises InputError for one without a language, or in a language of its own direction.
    """
    directions = direction_column(batch).to_pylist()
    languages, texts = (optional_texts(batch, name) for name in ("auxiliary_lang", "auxiliary"))
    there = [text is not None and bool(text.strip()) for text in texts]
    for name, code in {row[:2] for row in zip(directions, languages, there, strict=True) if row[2]}:
        if code is None or language(code).code in name.split("-"):
            raise InputError(
                f"{name}: a row's auxiliary_lang is {code!r}: give the language of its auxiliary, "
                "and none that the direction has itself, or leave the auxiliary empty"
            )
    rows = zip(languages, texts, there, strict=True)
    return [(str(code), str(text)) if given else None for code, text, given in rows]


def _is_data(rows: Any) -> bool:
    return isinstance(rows, (Dataset, DatasetDict, IterableDataset, IterableDatasetDict))


def _mapped(step: Any, rows: Any, num_proc: int | None) -> Any:
    """`map` over a data set, a stream or each split."""
    if isinstance(rows, (DatasetDict, IterableDatasetDict)):
        return type(rows)({name: _mapped(step, part, num_proc) for name, part in rows.items()})
    processes = {} if isinstance(rows, IterableDataset) else {"num_proc": num_proc}
    return rows.with_format(None).map(step, batched=True, **processes)
