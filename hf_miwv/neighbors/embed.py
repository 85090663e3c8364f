"""Prompts -> unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_miwv.common.internals.of_transformers import commit_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

POOLINGS = ("mean", "model")


class Embedder:
    """Turn texts into float32 unit vectors (N, D), by a sentence-transformers model.

    Args:
        model (`SentenceTransformer`): The model.
        pooling (`str`, *optional*, defaults to `"mean"`): "mean": the mean of the token embeddings over all
            tokens that are not padding, equation 2 of arXiv 2511.07074. "model": the model's own pooling
            (CLS for BAAI/bge-large-en-v1.5).
    """

    def __init__(self, model: SentenceTransformer, pooling: str = "mean") -> None:
        self.model = model if pooling == "model" else _with_mean_pooling(model)
        self.pooling = pooling
        transformer: Any = model[0]
        config = transformer.auto_model.config
        self.name: str | None = config._name_or_path or None
        self.revision: str | None = commit_of(config)
        self.max_tokens: int | None = model.get_max_seq_length()

    def __call__(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """Return (N, D) float32 unit vectors; texts longer than the model reads are cut on the right."""
        return self.model.encode(
            list(texts),
            batch_size=batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype(np.float32, copy=False)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, before any cutting.

        Args:
            texts (`Sequence[str]`): N texts.

        Returns:
            `list[int]`: N counts, special tokens among them.
        """
        tokenizer: Any = self.model.tokenizer
        return [len(ids) for ids in tokenizer(list(texts), verbose=False)["input_ids"]]


def _with_mean_pooling(model: SentenceTransformer) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling

    transformer: Any = model[0]
    prompts: Any = model.prompts
    return SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_embedding_dimension(), "mean")],
        device=str(model.device),
        prompts=prompts,
        default_prompt_name=model.default_prompt_name,
    )
