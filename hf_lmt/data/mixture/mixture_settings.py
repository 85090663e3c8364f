"""The settings of a mixture, checked as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from hf_lmt.data.hashing import check_seed
from hf_lmt.data.method.mapping import dataset_advice
from hf_lmt.data.mixture.mixture_lines import PARTS
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.recipes.values import is_number

EQUAL = dict.fromkeys(PARTS, 1.0)
"""1 : 1 : 1 by tokens (arXiv 2511.07003, continued pre-training)."""
TEMPERATURE = 3.0  # ours
COLUMNS = {
    "bilingual": ("source_lang", "target_lang", "source", "target"),
    "monolingual": ("lang", "text"),
}


@dataclass(frozen=True)
class Settings:
    """The settings of `mix`.

    Attributes:
        shares (`Mapping[str, float]`): {part: share} of all parts, with a sum of 1.
        temperature (`float`): T of `temperature_weights`.
        tokens (`int | None`): Tokens of the mixture; None for the most that there is.
        seed (`int`): Seed of the hashes.
        repeat (`float`): How often a row may be used, at most.
    """

    shares: Mapping[str, float]
    temperature: float
    tokens: int | None
    seed: int
    repeat: float


def checked_settings(
    shares: Any = EQUAL,
    temperature: Any = TEMPERATURE,
    tokens: Any = None,
    seed: Any = 0,
    num_proc: Any = 1,
    repeat: Any = 1.0,
) -> Settings:
    """Check the settings of a mixture as a whole.

    Args:
        shares (`Mapping[str, float]`, *optional*, defaults to `EQUAL`): Share of each part, in any unit; parts that
            are not named have that of EQUAL.
        temperature (`float`, *optional*, defaults to `3.0`): T of `temperature_weights`, above 0.
        tokens (`int`, *optional*): Tokens of the mixture; None for the most that there is.
        seed (`int`, *optional*, defaults to `0`): Seed of the hashes, 0 or more.
        num_proc (`int`, *optional*, defaults to `1`): Processes, 1 or more.
        repeat (`float`, *optional*, defaults to `1.0`): How often a row may be used, 1 or more.

    Returns:
        `Settings`: The settings, the shares with a sum of 1.

    Raises:
        InputError: something is wrong; the message has all of it.
    """
    faults = _share_faults(shares)
    if not is_number(temperature) or not temperature > 0:
        faults.append(
            f"temperature {temperature!r}: give a number above 0; 1 samples as the data lie, 3 is the default"
        )
    if tokens is not None and (not _is_whole(tokens) or tokens < 1):
        faults.append(f"tokens {tokens!r}: give a whole number above 0, or leave it out for the most that there is")
    if not _is_whole(num_proc) or num_proc < 1:
        faults.append(f"num_proc {num_proc!r}: give a number of processes, 1 or more")
    if not is_number(repeat) or not 1 <= repeat < math.inf:
        faults.append(f"repeat {repeat!r}: give how often a row may be used, 1 or more")
    try:
        check_seed(seed)
    except InputError as error:
        faults.append(str(error))
    if faults:
        raise InputError("\n  ".join(["the mixture's settings:", *faults]) if len(faults) > 1 else faults[0])
    shares_of_parts = {part: float(share) for part, share in {**EQUAL, **shares}.items()}
    total = sum(shares_of_parts.values())
    normalized = {part: share / total for part, share in shares_of_parts.items()}
    return Settings(normalized, float(temperature), tokens, seed, float(repeat))


def checked_rows(name: str, rows: Any, share: float) -> Dataset | None:
    """Return the rows, with the columns that lines are made of.

    Args:
        name (`str`): "bilingual" or "monolingual", for messages.
        rows (`Dataset | None`): The rows.
        share (`float`): Share of the mixture that is to come of them.

    Returns:
        `Dataset | None`: The rows; None where nothing is to come of them.

    Raises:
        InputError: it is no Dataset, a column is missing, or rows are asked for and not there.
    """
    hint = "shares {monolingual: 0}" if name == "monolingual" else "shares {zh: 0, en: 0}"
    if share == 0:
        return None
    if rows is None or (isinstance(rows, Dataset) and not len(rows)):
        raise InputError(f"no {name} rows, and the shares ask for some: give some, or {hint}")
    if not isinstance(rows, Dataset):
        raise InputError(f"{name}: give a datasets.Dataset, not {type(rows).__name__}: {dataset_advice(rows)}")
    for column in COLUMNS[name]:
        if column not in rows.column_names:
            raise InputError(
                f"the {name} rows have no column {column!r}; they need "
                f"{', '.join(COLUMNS[name])}, and have {', '.join(rows.column_names)}"
            )
    optional = [column for column in ("corpus", "row_key") if column in rows.column_names]
    return rows.with_format(None).select_columns([*COLUMNS[name], *optional])


def check_tokenizer(tokenizer: Any) -> None:
    """Check that it is a tokenizer of transformers.

    Args:
        tokenizer (`Any`): The object.

    Raises:
        InputError: it is not.
    """
    if not callable(tokenizer) or not hasattr(tokenizer, "get_vocab"):
        raise InputError(
            f"tokenizer {tokenizer!r}: tokens are counted with a loaded tokenizer, that of the "
            'model to train; give AutoTokenizer.from_pretrained("Qwen/Qwen3-0.6B-Base") or another'
        )


def _share_faults(shares: Any) -> list[str]:
    if not isinstance(shares, Mapping):
        return [f"shares {shares!r}: give a number for each part, as in {{zh: 2, en: 1}}"]
    faults = [f"shares: no part {name!r}: {did_you_mean(str(name), PARTS)}" for name in shares if name not in PARTS]
    for part in PARTS:
        share = shares.get(part, 1)
        if not is_number(share) or not 0 <= share < math.inf:
            faults.append(f"shares: {part}: {share!r}: give a number that is not below 0")
    if not faults and not any(shares.get(part, 1) for part in PARTS):
        faults.append("shares: all are 0, so nothing is asked for; give one above 0")
    return faults


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
