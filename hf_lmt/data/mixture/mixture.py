"""Texts in one language, and translations with Chinese and with English, mixed by tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.corpora.cached_rows import cache_folder, cached_rows
from hf_lmt.data.mixture.budget_plan import plan_budgets
from hf_lmt.data.mixture.mixture_lines import bilingual_lines, group_of, monolingual_lines, part_and_language
from hf_lmt.data.mixture.mixture_report import mixture_counts, report
from hf_lmt.data.mixture.mixture_settings import (
    EQUAL,
    TEMPERATURE,
    Settings,
    check_tokenizer,
    checked_rows,
    checked_settings,
)
from hf_lmt.data.mixture.row_choice import final_order, rows_by_group, take
from hf_lmt.data.mixture.token_counts import LAYOUT, MakeLines, count_tokens
from hf_miwv.common.runs.fingerprints import tokenizer_fingerprint

BATCH = 10_000  # rows in memory while lines are written

MIXTURE_SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "part": pa.string(),
        "source_lang": pa.string(),
        "target_lang": pa.string(),
        "tokens": pa.int64(),
        "corpus": pa.string(),
        "row_key": pa.string(),
    }
)
"""The columns of a mixture. Of a text in one language, that is `source_lang`, and `target_lang` is
null. `tokens` are those of `text`, without any that a trainer adds."""


class Mixed(NamedTuple):
    """The rows of a mixture, and what was asked and given.

    Attributes:
        rows (`Dataset`): The rows, in their final order.
        counts (`dict[str, Any]`): `tokens`, asked, given and at most; `rows`, and `repeated` among them;
            `line_breaks`, rows in which some were replaced; `left_out`, rows by reason (`copies` of a text or
            pair, `empty` ones, `no_pivot` where neither side is Chinese or English, `share_0` of a part that is
            not asked for); `parts`, {name: shares, tokens, rows, languages}, and `languages` in it, {code: tokens
            there are, asked, budget, given, rows, passes}.
    """

    rows: Dataset
    counts: dict[str, Any]


def mix(
    bilingual: Dataset | None,
    monolingual: Dataset | None,
    tokenizer: Any,
    *,
    shares: Mapping[str, float] = EQUAL,
    temperature: float = TEMPERATURE,
    tokens: int | None = None,
    seed: int = 0,
    num_proc: int = 1,
    repeat: float = 1.0,
) -> Mixed:
    """Mix the rows for continued pre-training, with the columns of MIXTURE_SCHEMA.

    By tokens, monolingual : Chinese with others : English with others = 1 : 1 : 1, and in each
    pair of languages both directions half (arXiv 2511.07003, section on continued pre-training).
    The loss is to be on the whole text. Where the paper is silent, the choices are ours:

    - within a part, languages by temperature sampling with T = 3 (`budget.temperature_weights`);
      one without enough tokens gives what it has, and the others share the rest (`budget.fill`).
      Counts are of tokens of the whole line;
    - a pair of sentences is used in one direction, by hash; see `lines`, also for rows between
      English and Chinese and for line breaks;
    - rows are taken in the order of a hash of corpus, languages and texts, until the budget is
      reached: over it by less than a row in each language. The rows of fewer `tokens` are among
      those of more. Copies count once;
    - without `tokens`, the most that has these shares: the part with the least is used whole, and
      then temperature has no say in it.

    Neither the order of rows nor `num_proc` changes the result. It lies in the cache of `datasets`,
    as do the token counts (`counting`), so that a killed run goes on from there. In memory are 24
    bytes for each row, and some 120 while they are sorted; texts stay on disk.

    Args:
        bilingual (`Dataset`, *optional*): source_lang, target_lang, source, target, and corpus and
            row_key where there are any; in one direction or both.
        monolingual (`Dataset`, *optional*): lang, text, and corpus and row_key where there are any
            (`load_monolingual`).
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model to train.
        shares (`Mapping[str, float]`, *optional*, defaults to `EQUAL`): Part -> number, relative to each
            other; parts not named have 1. At 0 for "monolingual", or for "zh" and "en", those rows may
            be None.
        temperature (`float`, *optional*, defaults to `3.0`): T, above 0; 1 takes languages as the data
            lie, infinity evenly.
        tokens (`int`, *optional*): Tokens of the whole mixture; by default the most that has these
            shares.
        seed (`int`, *optional*, defaults to `0`): Seed of the hashes.
        num_proc (`int`, *optional*, defaults to `1`): Processes.
        repeat (`float`, *optional*, defaults to `1.0`): How often a row may be used, 1 or more. 1.5
            allows for a language's tokens one and a half times.

    Returns:
        `Mixed`: The rows, and the counts of tokens and rows by part and language.

    Raises:
        InputError: A setting that cannot be (all of them are named), no rows for a part, a missing
            column, an unknown language, or more tokens than there are.
    """
    settings = checked_settings(shares, temperature, tokens, seed, num_proc, repeat)
    check_tokenizer(tokenizer)
    sources = _sources(bilingual, monolingual, settings)
    keys = [f"{tokenizer_fingerprint(tokenizer)} {_key(rows)}" for rows, _ in sources]
    entries = np.concatenate(
        [
            count_tokens(rows, make_lines, tokenizer, seed=seed, num_proc=num_proc, key=key)
            for (rows, make_lines), key in zip(sources, keys, strict=True)
        ]
    )
    positions, counts = choose_rows(entries, settings)
    report(counts)
    is_taken = np.zeros(len(entries), bool)
    is_taken[positions] = True
    folder = cache_folder("mixture", [LAYOUT, keys, asdict(settings)])
    rows = cached_rows(folder, MIXTURE_SCHEMA, _blocks(sources, entries, is_taken, seed), dict).rows
    # Each line is written once, in the order of the sources, and repeated as often as it is taken.
    return Mixed(rows.select(np.searchsorted(np.flatnonzero(is_taken), positions)), counts)


def choose_rows(entries: np.ndarray, settings: Settings) -> tuple[np.ndarray, dict[str, Any]]:
    """Choose the rows of a mixture by what is counted of all rows.

    Args:
        entries (`np.ndarray`): (N,) `token_counts.ENTRY`, texts before pairs. Where a part is not asked for, rows
            between English and Chinese are moved to the other one in place.
        settings (`Settings`): The checked settings.

    Returns:
        `tuple[np.ndarray, dict[str, Any]]`: (K,) positions of the rows in their final order, each as often as it is
        taken, and the counts of `Mixed`.

    Raises:
        InputError: A part that is asked for has no rows, or there are fewer tokens than asked for.
    """
    _give_pivot_pairs(entries, settings.shares)
    groups, copies = rows_by_group(entries)
    plan = plan_budgets(groups, entries["tokens"], settings)
    taken = {
        group: take(groups[group], entries["tokens"][groups[group]], budget) for group, budget in plan.budgets.items()
    }
    positions = np.concatenate([taken_group.places for taken_group in taken.values()])
    passes = np.concatenate([taken_group.passes for taken_group in taken.values()])
    order = final_order(entries["order"][positions], passes, settings.seed)
    return positions[order], mixture_counts(entries, groups, copies, plan, taken)


def _sources(bilingual: Any, monolingual: Any, settings: Settings) -> list[tuple[Dataset, MakeLines]]:
    """List the sources that are needed of the two, each with the function that makes lines of it."""
    shares = settings.shares
    inputs = [
        (checked_rows("monolingual", monolingual, shares["monolingual"]), monolingual_lines),
        (checked_rows("bilingual", bilingual, shares["zh"] + shares["en"]), bilingual_lines),
    ]
    return [(rows, make_lines) for rows, make_lines in inputs if rows is not None]


def _key(rows: Dataset) -> str:
    from hf_miwv.common.runs.fingerprints import content_fingerprint

    return content_fingerprint(rows)


def _give_pivot_pairs(entries: np.ndarray, shares: Mapping[str, float]) -> None:
    """Move rows between English and Chinese to one part where the other is not asked for."""
    between = {"zh": group_of("zh", "en"), "en": group_of("en", "zh")}
    for part, other in (("zh", "en"), ("en", "zh")):
        if shares[part] == 0 and shares[other] > 0:
            rows = entries["group"] == between[part]
            entries["group"][rows] = between[other]
            entries["forward"][rows] ^= True


def _blocks(
    sources: list[tuple[Dataset, MakeLines]], entries: np.ndarray, mask: np.ndarray, seed: int
) -> Iterator[pa.Table]:
    """Yield the rows of `mask` as tables of MIXTURE_SCHEMA."""
    first = 0
    for rows, make_lines in sources:
        arrow = rows.with_format("arrow")
        for start in range(0, len(rows), BATCH):
            batch = arrow[start : start + BATCH]
            chosen = mask[first + start : first + start + len(batch)]
            if chosen.any():
                entries_of_batch = entries[first + start : first + start + len(batch)][chosen]
                yield lines_table(batch.filter(pa.array(chosen)), entries_of_batch, make_lines, seed)
        first += len(rows)


def lines_table(batch: pa.Table, entries: np.ndarray, make_lines: MakeLines, seed: int) -> pa.Table:
    """Make the lines of rows, with what is told of them.

    Args:
        batch (`pa.Table`): B rows, as `make_lines` takes them.
        entries (`np.ndarray`): (B,) with the fields `group` and `tokens` of `token_counts.ENTRY`.
        make_lines (`Callable[[pa.Table, int], Lines]`): Makes lines of a batch and a seed.
        seed (`int`): Seed of the hashes.

    Returns:
        `pa.Table`: (B,) with the columns of MIXTURE_SCHEMA.
    """
    lines = make_lines(batch, seed)
    has_corpus = "corpus" in batch.column_names
    return pa.table(
        {
            "text": lines.text,
            "part": [part_and_language(group)[0] for group in entries["group"].tolist()],
            "source_lang": lines.source_lang,
            "target_lang": lines.target_lang,
            "tokens": entries["tokens"],
            "corpus": batch["corpus"] if has_corpus else pa.nulls(len(batch), pa.string()),
            "row_key": lines.row_key,
        }
    )
