"""The parts of a COMET model above its encoder; parameters are named as in unbabel-comet's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hf_lmt.comet.comet_settings import CometSettings


class LayerMix(nn.Module):
    """Pool the layers of an encoder and weight them: gamma * sum over l of s_l * pool(h_l).

    s is the softmax or sparsemax of one scalar for each layer. With `layer_norm`, each h_l is first normalized
    over all tokens and features of its segment: (h_l - mean) / sqrt(variance + 1e-12). Pooling is linear, so
    that it may go before the sum: unbabel-comet pools the sum, and holds all tokens of it for that.

    Args:
        settings (`CometSettings`): Transformation, normalization, pooling.
        layers (`int`): Layers, the embeddings among them.
    """

    def __init__(self, settings: CometSettings, layers: int) -> None:
        super().__init__()
        self.scalar_parameters = nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(layers))
        self.gamma = nn.Parameter(torch.ones(1))
        self._transform = sparsemax if settings.transformation == "sparsemax" else _softmax
        self._layer_norm, self._pool = settings.layer_norm, settings.pool

    def forward(self, hidden: Sequence[torch.Tensor], mask: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Mix the layers.

        Args:
            hidden (`Sequence[torch.Tensor]`): (L,) of (B, T, H), the embeddings first.
            mask (`torch.Tensor`): (B, T) bool, the tokens of each sequence.
            shown (`torch.Tensor`): (B, T) bool, those of them that count in the average: all but
                padding ids that a text spells.

        Returns:
            `torch.Tensor`: (B, H) float32.
        """
        weights = self._transform(torch.cat(tuple(self.scalar_parameters)))
        mixed = torch.zeros(hidden[0].shape[0], hidden[0].shape[2], device=mask.device)
        for weight, layer in zip(weights, hidden, strict=True):
            if weight == 0:  # sparsemax leaves few layers
                continue
            tokens = layer.float()
            if self._layer_norm:
                tokens = _normalized(tokens, mask)
            if self._pool == "cls":
                pooled = tokens[:, 0]
            else:
                pooled = (tokens * shown.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            mixed += weight * pooled
        return self.gamma * mixed


class Head(nn.Module):
    """Score features by a feed-forward network: (B, F) -> (B,).

    Args:
        settings (`CometSettings`): Widths and activations.
        features (`int`): F.
    """

    def __init__(self, settings: CometSettings, features: int) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for size in settings.hidden_sizes:
            # Identity stands where training had dropout, so that the layers have the numbers of the checkpoint.
            modules += [nn.Linear(features, size), getattr(nn, settings.activation)(), nn.Identity()]
            features = size
        modules.append(nn.Linear(features, 1))
        if settings.final_activation is not None:
            modules.append(getattr(nn, settings.final_activation)())
        self.ff = nn.Sequential(*modules)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Score the features of each segment.

        Args:
            features (`torch.Tensor`): (B, F) features.

        Returns:
            `torch.Tensor`: (B,) scores, as they leave the last layer.
        """
        return self.ff(features).view(-1)


def sparsemax(scores: torch.Tensor) -> torch.Tensor:
    """Project (L,) scores on the simplex, so that low ones become 0 (Martins and Astudillo, arXiv 1602.02068).

        p_l = max(0, z_l - t), t = (sum of the k largest z - 1) / k, k the largest with z_(k) > t

    Args:
        scores (`torch.Tensor`): (L,) scores.

    Returns:
        `torch.Tensor`: (L,) weights that sum to 1.
    """
    ranked = scores.sort(descending=True).values
    thresholds = (ranked.cumsum(0) - 1) / torch.arange(1, len(scores) + 1, device=scores.device)
    largest = int((ranked > thresholds).sum()) - 1
    return (scores - thresholds[largest]).clamp(min=0)


def span_penalties(labels: Sequence[int]) -> int:
    """Count the error spans among the labels of one translation: minor 1, major 5, critical 10, 25 at most.

    A span is a run of labels that are not 0, and as severe as its first. As in unbabel-comet, one that is
    still open at the end does not count.

    Args:
        labels (`Sequence[int]`): (T,) 0 no error, 1 minor, 2 major, 3 critical.

    Returns:
        `int`: The penalty.
    """
    penalty = open_penalty = 0
    for label in labels:
        if label and not open_penalty:
            open_penalty = (1, 5, 10)[label - 1]
        elif not label:
            penalty, open_penalty = penalty + open_penalty, 0
    return min(penalty, 25)


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    return scores.softmax(0)


def _normalized(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Normalize (B, T, H) over the tokens and features of each sequence together."""
    inside = mask.unsqueeze(-1)
    count = (mask.sum(1) * tokens.shape[-1]).view(-1, 1, 1)
    mean = (tokens * inside).sum((1, 2), keepdim=True) / count
    variance = (((tokens - mean) * inside) ** 2).sum((1, 2), keepdim=True) / count
    return (tokens - mean) / torch.sqrt(variance + 1e-12)
