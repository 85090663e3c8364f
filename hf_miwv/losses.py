"""Token ids -> mean negative log-likelihood of the response: the one place that knows the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

LOGIT_CHUNK = 1 << 25  # float32 logits that the log-softmax holds at a time: 128 MiB


class Branch(NamedTuple):
    """Tokens that go on from the first `fork` tokens of a trunk; the last `response` are scored."""

    fork: int
    ids: list[int]
    response: int


class Tree(NamedTuple):
    """A sequence, of which the last `response` tokens are scored, and what goes on from it.

    The trunk is run once, and each branch as if it stood behind its part of the trunk alone.
    """

    ids: list[int]
    response: int
    branches: tuple[Branch, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens that are run: those of the trunk and of every branch."""
        return len(self.ids) + sum(len(branch.ids) for branch in self.branches)


class ResponseLosses:
    """Mean NLL of responses, from batched forward passes over trees of sequences.

    L = -(1/T) sum over t of log p(y_t | context, y_<t): natural logarithms (nats), T response
    tokens, over token ids that the caller has joined. The weights keep their dtype; log-softmax
    is in float32 and the mean in float64. Not finite where the model's logits are not.

    A tree is one packed sequence: trunk, branch, branch ... Each token sees the tokens before it
    on its own path only (a mask), and has the position that it would have there. Padding is on
    the right, whatever side the tokenizer pads: under a causal mask no token sees what stands
    after it, so a batch without branches needs no mask at all, and the fastest kernels apply.

    Logits are computed at response positions only: a hook in front of the output layer keeps
    those hidden states, and whatever the model does to its logits afterwards (scaling,
    soft-capping) still happens.
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
    def __call__(self, trees: Sequence[Tree]) -> np.ndarray:
        """Mean nats per response token: of each tree, the trunk where it has a response, then
        the branches; (S,) float64. A response needs a token before it."""
        scored = _scored_tokens(trees)
        rows, positions, targets, lengths = scored
        self._wanted, self._reached = (rows, positions), False
        logits = self._model(**self._inputs(trees), use_cache=False).logits
        if self._reached:
            logits = logits[0]
        else:
            logits = logits[rows.to(logits.device), positions.to(logits.device)]
        losses = token_losses(logits, targets.to(logits.device)).double().cpu()
        return np.array([part.mean().item() for part in losses.split(lengths)])

    def _inputs(self, trees: Sequence[Tree]) -> dict[str, torch.Tensor]:
        """(B, L) ids, and where there are branches (B, L) positions and a (B, 1, L, L) mask."""
        longest = max(tree.tokens for tree in trees)
        inputs = {"input_ids": torch.tensor([_packed(tree, longest) for tree in trees])}
        if any(tree.branches for tree in trees):
            seen = torch.stack([_visible(tree, longest) for tree in trees])[:, None]
            mask = torch.zeros(seen.shape, dtype=self._model.dtype)
            inputs["attention_mask"] = mask.masked_fill_(~seen, torch.finfo(mask.dtype).min)
            inputs["position_ids"] = torch.tensor([_path_positions(t, longest) for t in trees])
        return {name: tensor.to(self._device) for name, tensor in inputs.items()}

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


def _packed(tree: Tree, length: int) -> list[int]:
    """Trunk and branches, one behind the other, padded with the last id."""
    ids = tree.ids + [token for branch in tree.branches for token in branch.ids]
    return ids + ids[-1:] * (length - len(ids))


def _path_positions(tree: Tree, length: int) -> list[int]:
    positions = list(range(len(tree.ids)))
    for branch in tree.branches:
        positions += range(branch.fork, branch.fork + len(branch.ids))
    return positions + [0] * (length - len(positions))


def _visible(tree: Tree, length: int) -> torch.Tensor:
    """(L, L) bool: whether the token of this row sees that of this column; padding sees itself."""
    seen = torch.eye(length, dtype=torch.bool)
    trunk = len(tree.ids)
    seen[:trunk, :trunk] = torch.ones(trunk, trunk, dtype=torch.bool).tril()
    start = trunk
    for branch in tree.branches:
        own = slice(start, start + len(branch.ids))
        seen[own, : branch.fork] = True
        seen[own, own] = torch.ones(len(branch.ids), len(branch.ids), dtype=torch.bool).tril()
        start = own.stop
    return seen


def _scored_tokens(
    trees: Sequence[Tree],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[int]]:
    """Of the R scored tokens: row (R,), position of the token before it (R,), id (R,); and the
    number of them in each scored response, (S,)."""
    rows: list[int] = []
    before: list[int] = []
    targets: list[int] = []
    lengths: list[int] = []
    for row, tree in enumerate(trees):
        start = 0
        for fork, ids, response in ((0, tree.ids, tree.response), *tree.branches):
            end = start + len(ids)
            if response:
                lengths.append(response)
                targets += ids[-response:]
                rows += [row] * response
                first = end - response
                before += [first - 1 if first > start else fork - 1, *range(first, end - 1)]
            start = end
    return torch.tensor(rows), torch.tensor(before), torch.tensor(targets), lengths
