"""Parallel Multilingual Prompting: a translation into a third language as a hint in the prompt."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from hf_lmt.data.hashing import (
    Batch,
    below,
    check_seed,
    check_share,
    column_names,
    decision_hashes,
    direction_column,
    key_column,
    text_column,
)
from hf_lmt.data.method.auxiliary_sentences import Hint, hints_of_rows
from hf_lmt.data.method.mapping import check_batch, is_data, mapped
from hf_lmt.data.method.prompts import (
    Wording,
    as_conversation,
    as_text,
    find_wording,
    thinking_arguments,
    translation_prompt,
)
from hf_miwv.common.errors import InputError, did_you_mean

DEFAULT_SHARE = 0.5  # half plain, half with a hint, forward and reverse alike: arXiv 2511.07003
DECISION = "hint"
FORMS = ("conversation", "text")
ADDED = ("prompt", "completion", "hinted", "chat_template_kwargs")
COLUMNS = ("source_lang", "target_lang", "source", "target")
RULES = 1  # part of the pickle, so of the cache's name: raise it when other rows come to be hinted


@dataclass
class ParallelMultilingualPrompting:
    """Add prompt and completion, with a hint in half of the rows that have an auxiliary sentence.

        hinted  iff  the row has an auxiliary  and  hash(seed, direction, key) / 2^64 < share

    (section "Parallel Multilingual Prompting" of arXiv 2511.07003; the draw by hash is ours, and
    independent of the one of StrategicDownsampling). A row whose auxiliary is null or blank gets
    the plain prompt. The completion is the target alone.

    Examples:
        >>> ready = ParallelMultilingualPrompting(seed=7)(dataset)                  # doctest: +SKIP
        >>> ready = dataset.map(ParallelMultilingualPrompting(seed=7), batched=True)  # doctest: +SKIP

    Columns added: `prompt` and `completion` in TRL's form, `hinted` (whether with a hint), and
    `chat_template_kwargs` where the thinking policy tells the chat template something.

    Args:
        share (`float`, *optional*, defaults to `0.5`): Of the rows with an auxiliary, the share that
            gets it as a hint.
        seed (`int`, *optional*, defaults to `0`): Seed of the draw, 0 or more.
        wording (`str | Wording`, *optional*, defaults to `"released"`): "released", "figure", or a
            custom Wording; see `prompts`.
        form (`str`, *optional*, defaults to `"conversation"`): "conversation", or "text" for base models.
        thinking (`str`, *optional*, defaults to `"disabled"`): "disabled" or "template", for
            conversations; see `prompts.THINKING`.

    Raises:
        InputError: A share outside [0, 1], a seed below 0, an unknown name; on rows, a missing
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
        """Return the rows with their prompts; for a batch of columns, the new columns.

        Args:
            rows (`Dataset | IterableDataset | DatasetDict | Batch`): Rows, a dict of splits, or a batch.
                Columns: COLUMNS; auxiliary_lang, auxiliary, row_key and corpus where there are any.
            num_proc (`int`, *optional*): Processes, for a `Dataset`.

        Returns:
            `Dataset | IterableDataset | DatasetDict | dict[str, list]`: The same kind of rows with the new
            columns; for a batch, the new columns alone.
        """
        if is_data(rows):
            return mapped(self, rows, num_proc)
        check_batch(self, rows)
        return self._prompts(rows)

    def _prompts(self, batch: Batch) -> dict[str, list[Any]]:
        existing_columns = [name for name in ADDED if name in column_names(batch)]
        if existing_columns:
            raise InputError(
                f"the rows already have the columns {', '.join(existing_columns)}; rename them, or remove "
                "them with remove_columns"
            )
        columns = [text_column(batch, name).to_pylist() for name in COLUMNS]
        hints = hints_of_rows(batch)
        # Whether a row is drawn is decided before looking at its auxiliary, so a
        # corpus that gains hints keeps its other rows.
        hinted = self._drawn(batch) & np.array([hint is not None for hint in hints], bool)
        drawn = [hint if keep else None for hint, keep in zip(hints, hinted, strict=True)]
        rows = [self._row(*row) for row in zip(*columns, drawn, strict=True)]
        template_arguments = thinking_arguments(self.thinking) if self.form == "conversation" else {}
        added = ("prompt", "completion", *(["chat_template_kwargs"] if template_arguments else []))
        return {**{name: [row[name] for row in rows] for name in added}, "hinted": hinted.tolist()}

    def _row(self, source_lang: str, target_lang: str, source: str, target: str, hint: Hint | None) -> dict[str, Any]:
        auxiliary_lang, auxiliary = hint or (None, None)
        prompt = translation_prompt(
            source,
            source_lang,
            target_lang,
            auxiliary_lang=auxiliary_lang,
            auxiliary=auxiliary,
            wording=self.wording,
        )
        if not target.strip():
            raise InputError(
                f"{source_lang}-{target_lang}: the target of {source[:60]!r} has no text: leave the row out"
            )
        if self.form == "text":
            return as_text(prompt, target)
        return as_conversation(prompt, target, thinking=self.thinking)

    def _drawn(self, batch: Batch) -> np.ndarray:
        hashes = decision_hashes(DECISION, self.seed, direction_column(batch), key_column(batch))
        return below(hashes, self.share)
