"""Token ids -> mean negative log-likelihood of the response: the only module that runs the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.attention import replaced_attention
from hf_miwv.common.models.evaluating import evaluating
from hf_miwv.common.models.rope import Frequencies, length_rule
from hf_miwv.losses.tree_attention import NAME as TREE_ATTENTION
from hf_miwv.losses.tree_layout import Layout, Segment, attending

# float32 logits that the log-softmax holds at a time: 32 MiB stay in a CPU cache, a GPU wants more
LOGIT_CHUNK = {"cpu": 1 << 23, "cuda": 1 << 27}


class Branch(NamedTuple):
    """Hold tokens that go on from the first `fork` tokens of a trunk.

    Attributes:
        fork (`int`): Tokens of the trunk that stand before the branch.
        ids (`list[int]`): Token ids of the branch.
        response (`int`): Number of its last tokens that are scored.
    """

    fork: int
    ids: list[int]
    response: int


class Tree(NamedTuple):
    """Hold a sequence, and the branches that go on from it.

    The trunk is run once, and each branch as if it stood behind its part of the trunk alone.

    Attributes:
        ids (`list[int]`): Token ids of the trunk.
        response (`int`): Number of its last tokens that are scored; 0 for none.
        branches (`tuple[Branch, ...]`, *optional*, defaults to `()`): The branches.
    """

    ids: list[int]
    response: int
    branches: tuple[Branch, ...] = ()

    @property
    def tokens(self) -> int:
        """Return the number of tokens that are run: those of the trunk and of every branch."""
        return len(self.ids) + sum(len(branch.ids) for branch in self.branches)


class ResponseLosses:
    """Compute the mean NLL of responses, from batched forward passes over trees of sequences.

    L = -(1/T) sum over t of log p(y_t | context, y_<t): natural logarithms (nats), T response
    tokens, over token ids that the caller has joined. The weights keep their dtype; log-softmax
    is in float32 and the mean in float64. Not finite where the model's logits are not.

    Packed, a batch is one sequence without padding: trunk, branch, branch, trunk ... Each token
    sees its own path only (see `tree_attention`) and has the position that it would have there.
    Otherwise the model's plain attention runs, on trees without branches, padded on the right
    whatever side the tokenizer pads: under a causal mask no token sees what stands after it.

    Logits are computed at response positions only: a hook in front of the output layer keeps
    those hidden states, and whatever the model does to its logits afterwards (scaling,
    soft-capping) still happens.

    Where rotary frequencies hang on the length of the whole pass (see `rope`), only sequences
    with the same frequencies are run together: a batch becomes as many forward passes as it has
    length classes.

    Args:
        model (`PreTrainedModel`): The causal LM.
        packed (`bool`, *optional*, defaults to `False`): Run a batch as one sequence without padding,
            which branches need.
        keeps_means (`bool`, *optional*, defaults to `False`): Also average the hidden states that go into the
            output layer over all tokens of each scored trunk.

    Attributes:
        trunk_means (`np.ndarray`): (T, D) float32, the means of the last call in the order of its trees with a
            scored trunk, where they are kept.
        windows (`set[int | None]`): Sliding windows that packed layers asked for.
        forwarded_tokens (`int`): Tokens that the model was run on in the last call, padding included.
    """

    def __init__(self, model: Any, packed: bool = False, keeps_means: bool = False) -> None:
        self.trunk_means = np.empty((0, 0), dtype=np.float32)
        self._keeps_means = keeps_means
        self._spans: list[tuple[int, int, int]] = []  # of scored trunks: row, first and last position
        self.windows: set[int | None] = set()
        self.forwarded_tokens = 0
        self._model = model
        self._packed = packed
        self._head = model.get_output_embeddings()
        self._device = model.get_input_embeddings().weight.device
        self._wanted: tuple[torch.Tensor, torch.Tensor] | None = None
        self._reached = False
        self._rule = length_rule(model)
        self._frequencies = Frequencies(model) if self._rule else None

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Set evaluation mode, the hook and the attention, and put all of them back afterwards."""
        hook = self._head.register_forward_pre_hook(self._keep_wanted) if self._head else None
        try:
            with (
                evaluating(self._model),
                self._frequencies.kept() if self._frequencies else nullcontext(),
                replaced_attention(self._model, TREE_ATTENTION) if self._packed else nullcontext(),
            ):
                yield
        finally:
            if hook:
                hook.remove()

    @torch.inference_mode()
    def __call__(self, trees: Sequence[Tree]) -> np.ndarray:
        """Compute the mean nats per response token of S responses.

        Of each tree, the trunk where it has a response, then the branches. A response needs a token
        before it.

        Args:
            trees (`Sequence[Tree]`): The trees of a batch.

        Returns:
            `np.ndarray`: (S,) float64.

        Raises:
            ValueError: Branches in a batch that is not packed, or a tree whose paths do not have
                the same rotary frequencies (`grow_forest` makes none).
        """
        self.forwarded_tokens = 0
        if self._rule is None:
            return self._run(trees)
        losses_by_tree: dict[int, np.ndarray] = {}
        means_by_tree: dict[int, np.ndarray] = {}
        for numbers in self._by_length_class(trees):
            if self._frequencies:
                # A "dynamic" module keeps the frequencies of the longest pass so far:
                # without this, losses hang on the order.
                self._frequencies.reset()
            together = [trees[number] for number in numbers]
            values = self._run(together)
            ends = np.cumsum([_scored_responses(tree) for tree in together])
            losses_by_tree |= dict(zip(numbers, np.split(values, ends[:-1]), strict=True))
            if self._keeps_means:
                means_by_tree |= dict(
                    zip([number for number in numbers if trees[number].response], self.trunk_means, strict=True)
                )
        if means_by_tree:
            self.trunk_means = np.stack([means_by_tree[number] for number in sorted(means_by_tree)])
        return np.concatenate([losses_by_tree[number] for number in range(len(trees))])

    def _by_length_class(self, trees: Sequence[Tree]) -> list[list[int]]:
        """Group the trees, by number, so that a group has the same rotary frequencies throughout."""
        assert self._rule is not None  # noqa: S101  the caller has asked
        groups: dict[int, list[int]] = {}
        for number, tree in enumerate(trees):
            lengths = [len(tree.ids), *(fork + len(ids) for fork, ids, _ in tree.branches)]
            classes = set(self._rule.classes(lengths).tolist())
            if len(classes) > 1:
                raise ValueError(f"the paths of a tree are of several length classes: {lengths}")
            groups.setdefault(classes.pop(), []).append(number)
        return list(groups.values())

    def _run(self, trees: Sequence[Tree]) -> np.ndarray:
        """Compute the losses of one forward pass over all of the trees."""
        rows, positions, targets, lengths = _scored_tokens(trees, self._packed)
        self._wanted, self._reached = (rows, positions), False
        self._spans = _trunk_spans(trees, self._packed) if self._keeps_means else []
        logits = self._run_packed(trees) if self._packed else self._run_padded(trees)
        if self._keeps_means and not self._reached:
            raise InputError("the model's output layer is not called as a module, so its hidden states cannot be had")
        picked = (rows.to(logits.device), positions.to(logits.device))
        # Where the output layer was not called as a module, the hook did not run: these are all positions.
        logits = logits[0] if self._reached else logits[picked]
        # float64 for the mean: a sum of thousands of float32 losses would lose digits.
        losses = token_losses(logits, targets.to(logits.device)).double().cpu().numpy()
        return np.array([part.mean() for part in np.split(losses, np.cumsum(lengths)[:-1])])

    def _run_packed(self, trees: Sequence[Tree]) -> torch.Tensor:
        ids: list[int] = []
        for tree in trees:
            ids += tree.ids
            for branch in tree.branches:
                ids += branch.ids
        segments = _segments(trees)
        self.forwarded_tokens += len(ids)
        with attending(Layout(segments, self.windows)):
            return self._model(
                input_ids=torch.from_numpy(np.array(ids)[None]).to(self._device),
                position_ids=torch.from_numpy(_path_positions(segments)[None]).to(self._device),
                use_cache=False,
            ).logits

    def _run_padded(self, trees: Sequence[Tree]) -> torch.Tensor:
        if any(tree.branches for tree in trees):
            raise ValueError("branches can only be run packed")
        longest = max(len(tree.ids) for tree in trees)
        # Any id will do as padding: under a causal mask no scored token sees it.
        ids = torch.tensor([tree.ids + tree.ids[-1:] * (longest - len(tree.ids)) for tree in trees])
        self.forwarded_tokens += ids.numel()
        return self._model(input_ids=ids.to(self._device), use_cache=False).logits

    def _keep_wanted(self, module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._wanted is None:
            return inputs
        rows, positions = (index.to(inputs[0].device) for index in self._wanted)
        self._reached = True
        if self._keeps_means:
            means = [inputs[0][row, start:end].float().mean(dim=0) for row, start, end in self._spans]
            width = inputs[0].shape[-1]
            self.trunk_means = torch.stack(means).cpu().numpy() if means else np.empty((0, width), dtype=np.float32)
        # Logits of a whole batch would take more memory than the model: vocabulary x tokens x 4 bytes.
        return (inputs[0][rows, positions][None], *inputs[1:])


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Compute -log softmax(logits)[target] in float32, in chunks.

    Args:
        logits (`torch.Tensor`): (R, V).
        targets (`torch.Tensor`): (R,) token ids.

    Returns:
        `torch.Tensor`: (R,) nats.
    """
    chunk = LOGIT_CHUNK.get(logits.device.type, LOGIT_CHUNK["cpu"])
    rows = max(1, chunk // logits.shape[-1])
    return torch.cat(
        [
            -torch.log_softmax(part, dim=-1, dtype=torch.float32).gather(1, target[:, None])[:, 0]
            for part, target in zip(logits.split(rows), targets.split(rows), strict=True)
        ]
    )


def _scored_responses(tree: Tree) -> int:
    """Count the losses of a tree."""
    return (tree.response > 0) + sum(branch.response > 0 for branch in tree.branches)


def _trunk_spans(trees: Sequence[Tree], packed: bool) -> list[tuple[int, int, int]]:
    """List row, first position and position after the last of each scored trunk."""
    spans, start = [], 0
    for row, tree in enumerate(trees):
        begin = start if packed else 0
        if tree.response:
            spans.append((0 if packed else row, begin, begin + len(tree.ids)))
        start += tree.tokens
    return spans


def _path_positions(segments: Sequence[Segment]) -> np.ndarray:
    """Return (L,) of each packed token its position in its path."""
    start, end, _, fork = np.array(segments).T
    return np.arange(end[-1]) + np.repeat(fork - start, end - start)


def _segments(trees: Sequence[Tree]) -> list[Segment]:
    """Lay trunks and branches out, one behind the other."""
    segments: list[Segment] = []
    end = 0
    for tree in trees:
        trunk = end
        for fork, ids, _ in ((0, tree.ids, 0), *tree.branches):
            segments.append(Segment(end, end + len(ids), trunk, fork))
            end += len(ids)
    return segments


def _scored_tokens(trees: Sequence[Tree], packed: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[int]]:
    """Return of the R scored tokens: row (R,), position of the token before it (R,), id (R,).

    And the number of them in each scored response, (S,). Packed, all lie in row 0.
    """
    rows: list[np.ndarray] = []
    before: list[np.ndarray] = []
    targets: list[int] = []
    lengths: list[int] = []
    end = 0
    for row, tree in enumerate(trees):
        end = end if packed else 0
        trunk = end
        for fork, ids, response in ((0, tree.ids, tree.response), *tree.branches):
            start, end = end, end + len(ids)
            if response:
                lengths.append(response)
                targets += ids[-response:]
                rows.append(np.full(response, 0 if packed else row))
                previous = np.arange(end - response - 1, end - 1)
                if previous[0] < start:  # all of a branch is scored: its first token follows the path
                    previous[0] = trunk + fork - 1
                before.append(previous)
    return (
        torch.from_numpy(np.concatenate(rows)),
        torch.from_numpy(np.concatenate(before)),
        torch.from_numpy(np.array(targets)),
        lengths,
    )
