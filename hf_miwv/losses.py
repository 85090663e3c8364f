"""Token ids -> mean negative log-likelihood of the response: the one place that knows the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

LOGIT_CHUNK = 1 << 25  # float32 logits that the log-softmax holds at a time: 128 MiB


class Scored(NamedTuple):
    """One forward pass: all ids, of which the last `response` are scored."""

    ids: list[int]
    response: int


class ResponseLosses:
    """Mean NLL of the response, one number a sequence, from batched forward passes.

    L = -(1/T) sum over t of log p(y_t | context, y_<t): natural logarithms (nats), T response
    tokens, over token ids that the caller has joined. The weights keep their dtype; log-softmax
    is in float32 and the mean in float64. Not finite where the model's logits are not.

    Sequences are padded on the right, whatever side the tokenizer pads: under a causal mask no
    token sees what stands after it, so neither an attention mask nor position ids are needed and
    the fastest kernels apply. Logits are computed at response positions only: a hook in front of
    the output layer keeps those hidden states, and whatever the model does to its logits
    afterwards (scaling, soft-capping) still happens.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self._device = model.get_input_embeddings().weight.device
        self._wanted: tuple[torch.Tensor, torch.Tensor] | None = None
        self._reached = False

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Evaluation mode and the hook, both put back afterwards."""
        training = [module for module in self._model.modules() if module.training]
        self._model.eval()
        hook = self._head.register_forward_pre_hook(self._keep_wanted) if self._head else None
        try:
            yield
        finally:
            if hook:
                hook.remove()
            for module in training:
                module.training = True

    @torch.inference_mode()
    def __call__(self, sequences: Sequence[Scored]) -> np.ndarray:
        """(N,) float64 mean nats per response token; sequences need a token before the response."""
        ids, rows, positions, targets = self._collate(sequences)
        self._wanted, self._reached = (rows, positions), False
        logits = self._model(input_ids=ids, use_cache=False).logits
        logits = logits[0] if self._reached else logits[rows, positions]
        losses = token_losses(logits, targets.to(logits.device)).double().cpu()
        lengths = [sequence.response for sequence in sequences]
        return np.array([part.mean().item() for part in losses.split(lengths)])

    def _collate(self, sequences: Sequence[Scored]) -> tuple[torch.Tensor, ...]:
        """(B, L) ids, and for the R scored tokens: row (R,), position before it (R,), id (R,)."""
        longest = max(len(sequence.ids) for sequence in sequences)
        ids = torch.tensor(
            [
                sequence.ids + sequence.ids[-1:] * (longest - len(sequence.ids))
                for sequence in sequences
            ]
        )
        ends = torch.tensor([len(sequence.ids) for sequence in sequences])
        lengths = torch.tensor([sequence.response for sequence in sequences])
        rows = torch.arange(len(sequences)).repeat_interleave(lengths)
        steps = torch.cat([torch.arange(-length, 0) for length in lengths.tolist()])
        positions = ends[rows] + steps
        targets = ids[rows, positions]
        return tuple(t.to(self._device) for t in (ids, rows, positions - 1, targets))

    def _keep_wanted(self, module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._wanted is None:
            return inputs
        rows, positions = (index.to(inputs[0].device) for index in self._wanted)
        self._reached = True
        return (inputs[0][rows, positions][None], *inputs[1:])


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-log softmax(logits)[target] in float32, in chunks: (R, V), (R,) -> (R,) nats."""
    rows = max(1, LOGIT_CHUNK // logits.shape[-1])
    return torch.cat(
        [
            torch.nn.functional.cross_entropy(part.float(), target, reduction="none")
            for part, target in zip(logits.split(rows), targets.split(rows), strict=True)
        ]
    )
