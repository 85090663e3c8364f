"""The journey in steps for `datasets.map(step, batched=True)`, cached by their settings.

    RenderPrompts -> EmbedPrompts -> AttachDemonstration -> MeasureLosses -> ComputeMIWV

Each adds columns and changes none (but for the flags, which MeasureLosses completes). All but
AttachDemonstration know one row at a time, and so work on a `Dataset`, on every split of a
`DatasetDict` and on an `IterableDataset`. The columns equal those of `hf_miwv.score` with the same
settings, up to rounding. `score` runs fewer tokens (2 x T0 against 3 x T0, T0: the tokens of all
rows alone), because a neighbor is rarely in the same batch, and `score` goes on after a kill; a
`map` that was killed begins again.

A name on the Hub without a revision stands for what is there when the step first runs: give the
revision where a cached result must not outlive it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.models import load_embedder
from hf_miwv.neighbors.embed import POOLINGS, Embedder
from hf_miwv.neighbors.embedding import BATCH
from hf_miwv.rows.schema import EMBEDDING_COLUMN, recognize
from hf_miwv.scoring.score_arguments import EMBED_TEXTS
from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.base import (
    RENDERED,
    Batch,
    PromptTransform,
    Transform,
    load_tokenizer,
    prompt_texts,
    read_examples,
    refuse_taken,
    score_columns,
    take,
)
from hf_miwv.transforms.measure_losses import MeasureLosses

__all__ = [
    "AttachDemonstration",
    "ComputeMIWV",
    "EmbedPrompts",
    "MeasureLosses",
    "RenderPrompts",
]


@dataclass
class RenderPrompts(PromptTransform):
    r"""Add `rendered_prompt`: x as the template writes it.

    Examples:
        >>> RenderPrompts("Qwen/Qwen3-0.6B-Base")({                            # doctest: +SKIP
        ...     "instruction": ["Name a color."], "input": [""], "output": ["Blue"]})
        {'rendered_prompt': ['Below is an instruction ... Name a color.\n\n### Response:']}

    Args:
        model (`str`): The causal LM that will be tuned: a Hub id, a folder or a GGUF file. Only its
            tokenizer is loaded, at the first batch, so `num_proc` is allowed.
        template (`str`, *optional*): "alpaca", "chat", "plain" or a Jinja file; the default follows
            the shape of the rows.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set, for
            rows of another shape.
        revision (`str`, *optional*): Branch, tag or commit of the tokenizer on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Run code that comes with the
            tokenizer.
        date (`str`, *optional*): The date, as in "2026-11-29", for a chat template that prints it; by
            default today's. Set it where the steps may run on different days.

    Raises:
        InputError: Rows of no known shape, a value that is not text, a template that cannot be
            read or fails on a row, or no such model.
    """

    @cached_property
    def _tokenizer(self) -> Any:
        # The result is cached under the digest of the files as they were when the step was made.
        self.check_unchanged()
        return load_tokenizer(self.model, revision=self.revision, trust_remote_code=self.trust_remote_code)

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return the new column of B rows: the rendered prompts, (B,) texts."""
        refuse_taken(batch, [RENDERED])
        shape = recognize(list(batch), self.columns)
        examples = read_examples(batch, shape)
        prompts = self.prompts(self._tokenizer, shape, examples)
        return {RENDERED: prompt_texts(prompts, examples)}


@dataclass
class EmbedPrompts(Transform):
    """Add `prompt_embedding`: the unit vector of x, (D,) float32, by which neighbors are searched.

    Examples:
        >>> EmbedPrompts()({"rendered_prompt": ["Below is ..."]})              # doctest: +SKIP
        {'prompt_embedding': array([[0.021, -0.034, ...]], dtype=float32)}

    Args:
        embedder (`str`, *optional*, defaults to `"BAAI/bge-large-en-v1.5"`): Any sentence-transformers
            model: a Hub id or a folder, loaded at the first batch. Texts longer than it reads are cut
            on the right.
        pooling (`str`, *optional*, defaults to `"mean"`): "mean" of the token embeddings (equation 2 of
            arXiv 2511.07074), or "model" for the model's built-in pooling.
        embed_text (`str`, *optional*, defaults to `"rendered"`): Embed x as "rendered" by
            RenderPrompts, or the "bare" instruction and input, which are read from the columns of a
            known shape, or from `columns`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set, for
            rows of another shape; read with `embed_text="bare"` only.
        revision (`str`, *optional*): Branch, tag or commit of the embedder on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Run code that comes with the
            embedder.
        device (`str`, *optional*): Where to embed; not part of the fingerprint.

    Raises:
        InputError: An unknown pooling or text, no such model, no rendered prompts, or `num_proc`,
            which would load the model in every process.
    """

    embedder: str = DEFAULT_EMBEDDER
    _: KW_ONLY
    pooling: str = "mean"
    embed_text: str = "rendered"
    columns: Mapping[str, str] | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value, known in (
            ("pooling", self.pooling, POOLINGS),
            ("embed_text", self.embed_text, EMBED_TEXTS),
        ):
            if value not in known:
                hint = did_you_mean(value, known)
                raise InputError(f"{name} {value!r} is not one of ours: {hint}")

    def sources(self) -> dict[str, Any]:
        """Return the models that the result depends on, by the name of their argument."""
        return {"embedder": self.embedder}

    @cached_property
    def _embedder(self) -> Embedder:
        self.refuse_worker()
        self.check_unchanged()
        loaded = load_embedder(
            self.embedder,
            revision=self.revision,
            device=self.device,
            trust_remote_code=self.trust_remote_code,
        )
        return Embedder(loaded, self.pooling)

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return the new column of B rows: (B, D) float32 unit vectors."""
        refuse_taken(batch, [EMBEDDING_COLUMN])
        if self.embed_text == "bare":
            shape = recognize(list(batch), self.columns)
            texts = [example.prompt_with_tools for example in read_examples(batch, shape)]
        else:
            texts = take(batch, RENDERED, "RenderPrompts")
        return {EMBEDDING_COLUMN: self._embedder(texts, BATCH)}


@dataclass
class ComputeMIWV(Transform):
    """Add `miwv` = `loss_one_shot` - `loss_zero_shot` (arXiv 2511.07074); null without both.

    High = weak = keep, says the paper: even behind a worked example the model does badly on the row.

    Examples:
        >>> ComputeMIWV()({"loss_zero_shot": [1.5], "loss_one_shot": [1.25]})["miwv"]
        [-0.25]
    """

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return the new column of B rows: MIWV, (B,) nats per response token."""
        refuse_taken(batch, ["miwv"])
        zero_shot = take(batch, "loss_zero_shot", "MeasureLosses")
        one_shot = take(batch, "loss_one_shot", "MeasureLosses")
        differences = [
            None if zero is None or column is None else column - zero
            for zero, column in zip(zero_shot, one_shot, strict=True)
        ]
        return score_columns({"miwv": differences})
