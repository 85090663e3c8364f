"""A COMET model: sources, translations and references -> a score for each segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from hf_lmt.comet.comet_inputs import joined_ids, length_batches, text_ids
from hf_lmt.comet.comet_layers import Head, LayerMix, span_penalties
from hf_lmt.comet.comet_settings import REGRESSION, XCOMET, CometSettings
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.batch_tokens import default_batch_tokens
from hf_miwv.common.models.memory import is_out_of_memory

ROWS_AT_ONCE = 512
INPUT_WEIGHTS = (0.12, 0.33, 0.33)
"""XCOMET's weights of the scores of [mt, src], [mt, ref] and [mt, src, ref]; the error spans' is what is left."""
SPANS_WEIGHT = 0.22
TAG_WEIGHTS = (0.1667, 0.3333, 0.5)
"""XCOMET's weights of the tags' probabilities, in the same order."""


class _Pass(NamedTuple):
    """Scores of N sequences, and of each the probabilities (T, 4) of the tags of its first T tokens."""

    scores: torch.Tensor
    tags: list[torch.Tensor]


class CometModel(nn.Module):
    """Score segments as unbabel-comet does, on a plain encoder of transformers.

    - COMET-22 (`regression_metric`, arXiv 2009.09025): each text alone is encoded to a vector e; the head reads
      [mt, ref, mt * ref, |mt - ref|, mt * src, |mt - src|].
    - CometKiwi (`unified_metric`, arXiv 2209.06243): `<s> mt </s></s> src </s>` is encoded, the head reads the
      vector of `<s>`.
    - XCOMET (`xcomet_metric`, arXiv 2310.10482): the same for [mt, src], [mt, ref] and [mt, src, ref], and tags
      of the translation's tokens; the score is .12, .33 and .33 times the three scores, each 1 at most, plus .22
      times 1 - penalty / 25 (`span_penalties`). Without a reference, .78 times that of [mt, src].

    Args:
        settings (`CometSettings`): What the model is built by.
        encoder (`PreTrainedModel`): XLM-R or XLM-R-XL, in its dtype; all above it is in float32.
        tokenizer (`PreTrainedTokenizerBase`): That of the encoder.
        identity (`str`): Name and revision of the checkpoint, for signatures.
    """

    def __init__(self, settings: CometSettings, encoder: Any, tokenizer: Any, identity: str = "") -> None:
        super().__init__()
        self.settings, self.tokenizer, self.identity = settings, tokenizer, identity
        self.encoder = encoder
        width, layers = encoder.config.hidden_size, encoder.config.num_hidden_layers + 1
        self.layerwise_attention = LayerMix(settings, layers)
        self.estimator = Head(settings, width * (6 if settings.metric == REGRESSION else 1))
        self.hidden2tag = nn.Linear(width, 4) if settings.metric == XCOMET else None

    @property
    def needs_references(self) -> bool:
        """Return whether it scores with references only."""
        return self.settings.needs_references

    @torch.inference_mode()
    def score(
        self,
        sources: Sequence[str],
        hypotheses: Sequence[str],
        references: Sequence[str] | None = None,
        batch_tokens: int | None = None,
    ) -> np.ndarray:
        """Score S segments.

        Texts that stand several times within 512 segments are encoded once.

        Args:
            sources (`Sequence[str]`): (S,) source texts.
            hypotheses (`Sequence[str]`): (S,) translations.
            references (`Sequence[str]`, *optional*): (S,) references; of no use to a model without.
            batch_tokens (`int`, *optional*): Most tokens of a forward pass; by default 1,024 on a CPU,
                16,384 on an accelerator.

        Returns:
            `np.ndarray`: (S,) float64 scores, higher is better; for most texts between 0 and 1.

        Raises:
            InputError: The lists differ in length; the model needs references and there are none; memory is
                used up.
        """
        lists = [sources, hypotheses, *([] if references is None else [references])]
        if len({len(texts) for texts in lists}) != 1:
            counts = " and ".join(f"{len(texts):,}" for texts in lists)
            raise InputError(
                f"COMET {self.identity}: lists of {counts} texts; give as many of each, in the same order"
            )
        if self.settings.needs_references and references is None:
            raise InputError(f"COMET {self.identity} scores with a reference only: give references")
        if not self.settings.reads_references:
            references = None
        budget = batch_tokens or default_batch_tokens(self.layerwise_attention.gamma.device)
        scores = [np.zeros(0)]
        for start in range(0, len(sources), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            columns = [texts[rows] for texts in (hypotheses, sources, references) if texts is not None]
            try:
                scores.append(self._block(columns, budget))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise self._no_room(budget) from error
        return np.concatenate(scores)

    def _no_room(self, budget: int) -> InputError:
        precision = str(self.encoder.dtype).removeprefix("torch.")
        smaller = "" if precision == "bfloat16" else "; the encoder in bfloat16 (--comet-dtype bfloat16)"
        return InputError(
            f"COMET {self.identity}: out of memory in a pass of at most {budget:,} tokens with the encoder in "
            f"{precision}. Give in Python a smaller batch_tokens or device='cpu'{smaller}; or a smaller model, or end "
            "what else holds memory"
        )

    def _block(self, texts: Sequence[Sequence[str]], budget: int) -> np.ndarray:
        """Score up to ROWS_AT_ONCE segments: (S,) of columns of hypotheses, sources and, if any, references."""
        index: dict[str, int] = {}
        columns = [[index.setdefault(text, len(index)) for text in column] for column in texts]
        ids = text_ids(self.tokenizer, list(index), self.encoder.config.max_position_embeddings)
        if self.settings.metric == REGRESSION:
            scores = self._regression(ids, columns, budget)
        elif self.settings.metric == XCOMET:
            scores = self._xcomet(ids, columns, budget)
        else:
            scores = self._joined(ids, columns, budget).scores
        return scores.double().cpu().numpy()

    def _regression(self, ids: list[list[int]], columns: list[list[int]], budget: int) -> torch.Tensor:
        vectors = torch.empty(len(ids), self.encoder.config.hidden_size, device=self.layerwise_attention.gamma.device)
        for batch in length_batches([len(sequence) for sequence in ids], budget):
            vectors[batch] = self._encode([ids[number] for number in batch])[0]
        translation, source, reference = (vectors[column] for column in columns)
        features = [
            translation,
            reference,
            translation * reference,
            (translation - reference).abs(),
            translation * source,
            (translation - source).abs(),
        ]
        return self.estimator(torch.cat(features, dim=1))

    def _xcomet(self, ids: list[list[int]], columns: list[list[int]], budget: int) -> torch.Tensor:
        translations, sources, *rest = columns
        inputs = [[translations, sources]]
        weights: tuple[float, ...] = (sum(INPUT_WEIGHTS),)
        tag_weights: tuple[float, ...] = (1.0,)
        if rest:
            inputs += [[translations, *rest], columns]
            weights, tag_weights = INPUT_WEIGHTS, TAG_WEIGHTS
        passes = [self._joined(ids, segments, budget) for segments in inputs]
        clamped = torch.stack(
            [weight * single_pass.scores.clamp(max=1) for weight, single_pass in zip(weights, passes, strict=True)]
        )
        penalties = []
        for tags in zip(*(single_pass.tags for single_pass in passes), strict=True):
            weighted = [weight * part for weight, part in zip(tag_weights, tags, strict=True)]
            penalties.append(span_penalties(torch.stack(weighted).sum(0).argmax(1).tolist()))
        return clamped.sum(0) + SPANS_WEIGHT * (25 - torch.tensor(penalties, device=clamped.device)) / 25

    def _joined(self, ids: list[list[int]], columns: list[list[int]], budget: int) -> _Pass:
        """Score rows by one sequence each, of the texts that the columns name in their order."""
        positions = self.encoder.config.max_position_embeddings
        index: dict[tuple[int, ...], int] = {}
        rows = [index.setdefault(row, len(index)) for row in zip(*columns, strict=True)]
        sequences = [joined_ids(self.tokenizer, [ids[number] for number in row], positions) for row in index]
        lengths = [len(ids[row[0]]) for row in index]  # of the translations, which stand first
        scores = torch.empty(len(sequences), device=self.layerwise_attention.gamma.device)
        tags: dict[int, torch.Tensor] = {}
        for batch in length_batches([len(token_ids) for token_ids in sequences], budget):
            vectors, tag_layer = self._encode([sequences[number] for number in batch])
            scores[batch] = self.estimator(vectors)
            if self.hidden2tag is not None:
                probabilities = self.hidden2tag(tag_layer.float()).softmax(2).cpu()
                tags |= {number: probabilities[row, : lengths[number]] for row, number in enumerate(batch)}
        return _Pass(scores[rows], [tags[number] for number in rows] if tags else [])

    def _encode(self, sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode B sequences to (B, H) mixed vectors, and (B, T, H) of the layer of the tags."""
        device, padding = self.layerwise_attention.gamma.device, self.tokenizer.pad_token_id
        longest = max(map(len, sequences))
        ids = torch.tensor(
            [token_ids + [padding] * (longest - len(token_ids)) for token_ids in sequences], device=device
        )
        lengths = torch.tensor([len(token_ids) for token_ids in sequences], device=device)
        mask = torch.arange(longest, device=device) < lengths[:, None]
        hidden = self.encoder(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        tag_layer = hidden[self.settings.word_layer] if self.hidden2tag is not None else hidden[-1]
        return self.layerwise_attention(hidden, mask, ids != padding), tag_layer
