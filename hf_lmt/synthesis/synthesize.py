"""synthesize: rows and a Translator in, pairs with a synthetic side out."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from hf_lmt.data.curation.curate import curate
from hf_lmt.data.curation.curation_settings import steps_from
from hf_lmt.data.curation.step import Step
from hf_lmt.directions import DIRECTIONS, Direction
from hf_lmt.synthesis.synthetic_pairs import (
    DEFAULT_WAY,
    FLAGGED_SCHEMA,
    REASONS,
    SYNTHETIC_SCHEMA,
    WAYS,
    Tag,
    check_way,
    make_pairs,
    reason_of,
)
from hf_lmt.synthesis.texts import Survey, survey_texts, text_batches
from hf_lmt.translation.requests import Request, Translation
from hf_miwv.common.errors import InputError
from hf_miwv.common.progress import stage

if TYPE_CHECKING:
    from hf_lmt.translation.translator import Translator

logger = logging.getLogger(__name__)

Batches = Iterator[tuple[pa.Table, list[Translation]]]


class Synthesized(NamedTuple):
    """Pairs that can be used and, where asked for, the others.

    Attributes:
        rows (`Dataset`): The pairs, with the columns of SYNTHETIC_SCHEMA.
        rejects (`Dataset | None`): The others, with `rejected_by` ("translation", or the name of a curation step)
            and `reason` beside; None where they were not asked for.
        counts (`dict[str, Any]`): `texts` given; `already_in` and `without_pivot`, left out as in `texts.Survey`;
            `translated`, usable ones; `flagged`, {reason: texts}; `pairs` before curation, `curation` as `curate`
            counts, `rows` after it.
    """

    rows: Dataset
    rejects: Dataset | None
    counts: dict[str, Any]


def synthesize(
    rows: Dataset,
    translator: Translator,
    into: str,
    *,
    model: str,
    revision: str | None = None,
    pivot: str | None = None,
    way: str = DEFAULT_WAY,
    steps: Sequence[Step] | None = None,
    keep_rejects: bool = False,
    folder: Path | None = None,
    progress: bool = True,
) -> Synthesized:
    """Translate texts into a language, pair them with what people wrote, and curate the pairs.

    Examples:
        >>> mono = load_monolingual("news.en").rows                               # doctest: +SKIP
        >>> found = synthesize(mono, translator, "kk", model="NiuTrans/LMT-60-4B") # doctest: +SKIP
        >>> found.rows[0]["source_lang"], found.rows[0]["synthetic_side"]         # doctest: +SKIP
        ('kk', 'source')

    Direct pairs come of texts in one language. With a pivot, the rows are pairs with a side in the
    pivot: that side is translated, and the result paired with the other one, so that en-de and
    `into="zh"` become zh-de. Both are the paper's methods (arXiv 2511.07003); see `make_pairs` for
    what rows look like. Which rows there are depends on no order of rows. A translation that did not
    end, is blank, or could not be asked for is flagged, counted and not used.

    Give the Translator a `work` folder: then a run that was killed goes on, and a text that comes
    again (a sentence of a multi-way corpus) is translated once.

    Args:
        rows (`Dataset`): `lang` and `text`, as `load_monolingual` returns them, or, with a pivot,
            `source_lang`, `target_lang`, `source` and `target`; `corpus` and `row_key` where there are
            any.
        translator (`Translator`): The model that translates.
        into (`str`): Code of the language to translate into.
        model (`str`): The name of the model in the rows.
        revision (`str`, *optional*): The revision of the model in the rows; by default a hash of its
            weights.
        pivot (`str`, *optional*): Code of the language that is translated, for rows that are pairs.
        way (`str`, *optional*, defaults to `DEFAULT_WAY`): "back", the synthetic text is the source;
            "forward", it is the target; "both", a row each.
        steps (`Sequence[Step]`, *optional*): Steps of curation; by default `steps_from(None)`, which
            needs the evaluation sets.
        keep_rejects (`bool`, *optional*, defaults to `False`): Return the rows that are not used, too.
        folder (`Path`, *optional*): Where to keep the pairs while they grow; by default in memory.
        progress (`bool`, *optional*, defaults to `True`): Show bars.

    Returns:
        `Synthesized`: The pairs after curation, the rejected ones, and the counts.

    Raises:
        InputError: A column is missing, a language is unknown or the same as `into`, there is
            nothing to translate, no translation can be used, or curation leaves no row.
    """
    check_way(way)
    steps = steps_from(None) if steps is None else steps
    for step in steps:  # what cannot be read shows before the model starts
        step.load()
    survey = survey_texts(rows, into, pivot)
    _warn(survey, into, way)
    tag = Tag(model, revision or str(translator.describe()["made_by"]["model"]))
    flags: Counter[str | None] = Counter()
    pairs, flagged = _write_pairs(
        _translated(rows, translator, into, pivot, survey.texts.total(), progress),
        lambda texts, translations: make_pairs(texts, translations, into, way, tag),
        flags,
        folder,
    )
    counts = _counts(rows, survey, flags, len(pairs))
    if not len(pairs):
        raise InputError(_unusable(counts["flagged"]))
    curated = curate(pairs, steps, keep_rejects=keep_rejects, progress=progress)
    counts |= {"curation": curated.counts, "rows": len(curated.rows)}
    return Synthesized(curated.rows, _rejects(flagged, curated.rejects), counts)


def _warn(survey: Survey, into: str, way: str) -> None:
    if survey.already_in:
        logger.warning("%s texts are in %s already, and left out", f"{survey.already_in:,}", into)
    if survey.without_pivot:
        logger.warning("%s rows have no side in the pivot, and are left out", f"{survey.without_pivot:,}")
    directions = [Direction(into, code) for code in survey.texts]
    directions = [
        direction if side == "source" else direction.opposite for side in WAYS[way] for direction in directions
    ]
    if others := sorted(str(direction) for direction in directions if direction not in DIRECTIONS):
        logger.warning("not among LMT's 234 directions: %s", ", ".join(others))


def _translated(
    rows: Dataset, translator: Translator, into: str, pivot: str | None, total: int, progress: bool
) -> Batches:
    """Yield each batch of texts with its translations; all go through the model as one stream."""
    waiting: deque[pa.Table] = deque()

    def requests() -> Iterator[Request]:
        for texts in text_batches(rows, into, pivot):
            waiting.append(texts)
            for text, lang in zip(texts["text"].to_pylist(), texts["lang"].to_pylist(), strict=True):
                yield Request(text, lang, into)

    with stage(f"into {into}", "line", total, show=progress) as bar:
        notify: Any = bar.update
        stream = translator.stream(requests(), notify=notify)
        for first in stream:
            texts = waiting.popleft()
            yield texts, [first, *islice(stream, len(texts) - 1)]


def _write_pairs(
    batches: Batches,
    make: Callable[[pa.Table, list[Translation]], tuple[pa.Table, pa.Table]],
    flags: Counter[str | None],
    folder: Path | None,
) -> tuple[Dataset, Dataset]:
    """Write all pairs and all flagged rows, in files of the folder or in memory; `flags` is filled."""
    schemas = {"pairs.arrow": SYNTHETIC_SCHEMA, "flagged.arrow": FLAGGED_SCHEMA}
    if folder is None:
        sinks: list[Any] = [pa.BufferOutputStream() for _ in schemas]
    else:
        sinks = [pa.OSFile(str(folder / name), "wb") for name in schemas]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(pa.ipc.new_stream(sink, schema))
            for sink, schema in zip(sinks, schemas.values(), strict=True)
        ]
        for texts, translations in batches:
            flags.update(map(reason_of, translations))
            for writer, table in zip(writers, make(texts, translations), strict=True):
                writer.write_table(table.combine_chunks())
    if folder is None:
        pairs, flagged = (Dataset.from_buffer(sink.getvalue()) for sink in sinks)
        return pairs, flagged
    for sink in sinks:
        sink.close()
    pairs, flagged = (Dataset.from_file(str(folder / name)) for name in schemas)
    return pairs, flagged


def _counts(rows: Dataset, survey: Survey, flags: Counter[str | None], pairs: int) -> dict[str, Any]:
    return {
        "texts": len(rows),
        "already_in": survey.already_in,
        "without_pivot": survey.without_pivot,
        "translated": flags[None],
        "flagged": {reason: flags[reason] for reason in REASONS if flags[reason]},
        "pairs": pairs,
    }


def _unusable(flagged: dict[str, int]) -> str:
    flagged_in_words = "; ".join(f"{reason} {texts:,} ({REASONS[reason]})" for reason, texts in flagged.items())
    return (
        f"no translation can be used: {flagged_in_words}; try the model with `hf-lmt translate`, give more "
        "tokens (--max-new-tokens), shorter texts, or a model that was trained to translate"
    )


def _rejects(flagged: Dataset, curated: Dataset | None) -> Dataset | None:
    if curated is None:
        return None
    parts = [part for part in (flagged, curated) if len(part)]
    return concatenate_datasets(parts) if parts else curated
