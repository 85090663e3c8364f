"""Prompts to continuations, in one batch that shrinks as its rows end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from hf_lmt.translation.beam_attention import NAME, SlotCache
from hf_lmt.translation.search import BeamSearch, GreedySearch
from hf_miwv.common.internals.of_transformers import attention_of, cache_argument
from hf_miwv.common.models.attention import replaced_attention, sliding_window
from hf_miwv.common.models.memory import PROBE_ERRORS, probe_fault
from hf_miwv.common.models.quantization import quantization_of

# Beams that were abandoned and rows that have ended still hold cache slots. Compact every TIDY steps,
# or when a quarter of the rows (1 / LEAVING) has ended: copying the cache costs more than carrying a
# few dead slots.
TIDY = 8  # steps after which ended rows and abandoned beams leave the cache, at the latest
LEAVING = 4  # they leave at once where a quarter of the rows has ended

COMMON = 8  # tokens from which on it pays to read what all prompts begin with by itself
EXACT, ROUNDED = 1e-3, 0.25  # nats that two ways to the same logits may differ by: float32, half


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    caps: Sequence[int],
    ends: Sequence[int],
    beams: int,
) -> list[list[int]]:
    """Return the best continuation of each prompt, as the search of `transformers` does row by row.

    Each prompt is read once, not once per beam; then each step reads one token of each beam. The
    cache is never reordered (`beam_attention`), and rows that have ended leave it.

    Args:
        model (`PreTrainedModel`): The causal LM.
        prompts (`Sequence[Sequence[int]]`): (R,) prompts as token ids, at least one each.
        caps (`Sequence[int]`): (R,) tokens that each continuation may have, 1 or more.
        ends (`Sequence[int]`): Token ids that end a text.
        beams (`int`): Beams of the search; 1 for greedy search.

    Returns:
        `list[list[int]]`: (R,) token ids, the end token included; a text of `caps` tokens without one
        ran into its cap.
    """
    device = model.get_input_embeddings().weight.device
    limits, stops = torch.tensor(caps, device=device), torch.tensor(ends, device=device)
    search = BeamSearch(limits, stops, beams) if beams > 1 else GreedySearch(limits, stops)
    cache = SlotCache(model.config.get_text_config().num_hidden_layers, TIDY * beams)
    reader = _Reader(model, cache, prompts, device)
    logits = reader.read_prompts()
    numbers, waited = list(range(len(prompts))), 0  # of the rows that are still in the batch
    written: dict[int, list[int]] = {}
    with replaced_attention(model, NAME):
        while True:
            tokens, parents = search.advance(logits)
            for row in search.done.nonzero()[:, 0].tolist():
                if numbers[row] not in written:
                    written[numbers[row]] = search.best(row)
            if len(written) == len(prompts):
                return [written[number] for number in range(len(prompts))]
            # The cache is not reordered when beams change their parents: only the masks move.
            reader.follow(parents)
            waited += 1
            if waited >= TIDY or int(search.done.sum()) * LEAVING >= len(numbers):
                rows, waited = (~search.done).nonzero()[:, 0], 0
                reader.keep(rows)
                search.keep(rows)
                tokens, numbers = tokens[rows], [numbers[row] for row in rows.tolist()]
            logits = reader.read(tokens)


class _Reader:
    """Hold the tokens that the rows of a batch have read, and which of them each beam sees."""

    def __init__(self, model: Any, cache: SlotCache, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._model, self._cache = model, cache
        self._cache_argument = cache_argument(model, cache)
        size = _common_length(prompts)
        self._head = torch.tensor([list(prompts[0][:size])], dtype=torch.long, device=device)
        self._ids, seen = _padded([prompt[size:] for prompt in prompts], device)
        self._seen = torch.nn.functional.pad(seen, (size, 0), value=1)
        self._positions = self._seen.sum(1)  # (R,) of the next token
        self._paths = self._seen[:, None].bool()  # (R, beams, slots): what each beam sees

    def read_prompts(self) -> torch.Tensor:
        """Return (R, 1, V) float32 logits of the next token, under the model's plain attention.

        The prefix that all prompts share is read once, if it is COMMON tokens or more.
        """
        size = self._head.shape[1]
        if size:
            self._model(input_ids=self._head, **self._cache_argument, use_cache=True, logits_to_keep=1)
            self._cache.spread(len(self._ids))
        output = self._model(
            input_ids=self._ids,
            attention_mask=self._seen,
            position_ids=(self._seen.cumsum(1) - 1).clamp(min=0)[:, size:],
            **self._cache_argument,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits.float()

    def follow(self, parents: torch.Tensor) -> None:
        """Let beam b of a row see what its beam parents[b] saw; (R, beams)."""
        self._paths = self._paths.take_along_dim(parents[:, :, None], dim=1)

    def keep(self, rows: torch.Tensor) -> None:
        """Drop other rows, and slots that no beam of a row sees.

        Rows keep as many slots as the one with most; what a row has too many is seen by no beam.
        """
        paths = self._paths[rows]
        alive = paths.any(dim=1)
        count = int(alive.sum(1).max())
        # Stable, so that the slots of a row stay in the order in which their tokens were read.
        slots = alive.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :count]
        self._cache.keep(rows, slots)
        self._paths = paths.take_along_dim(slots[:, None], dim=2)
        self._positions = self._positions[rows]

    def read(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (R, beams, V) float32 logits after the (R, beams) tokens, each in a separate slot."""
        # A beam sees its own new token, and not those of the other beams, which lie in the slots beside it.
        self_mask = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        self._paths = torch.cat([self._paths, self_mask.expand(len(tokens), -1, -1)], dim=2)
        output = self._model(
            input_ids=tokens,
            attention_mask=self._paths[:, None],
            position_ids=self._positions[:, None].expand_as(tokens),
            **self._cache_argument,
            use_cache=True,
        )
        self._positions = self._positions + 1
        return output.logits.float()


def _common_length(prompts: Sequence[Sequence[int]]) -> int:
    """Return the length of the prefix shared by all prompts.

    It is at most one token shorter than the shortest prompt, and 0 if it is under COMMON tokens.
    """
    # A prefix that the smallest and the largest prompt share is shared by all that sort between them.
    first, last = min(map(list, prompts)), max(map(list, prompts))  # the others lie between
    longest = min(map(len, prompts)) - 1
    size = next((position for position in range(longest) if first[position] != last[position]), longest)
    return size if size >= COMMON and len(prompts) > 1 else 0


def _padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (R, P) token ids, padded on the left with id 0, and (R, P) 1 where there is a token."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    seen = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids.to(device), seen.to(device)


def sharing_obstacle(model: Any) -> str | None:
    """Say why the beams of a row cannot share a cache with this model; None where they can.

    Attention that was asked for by name stays as it is, which means `generate`. For the rest the
    model itself is asked: a continuation decoded in a batch with shared slots, against the logits
    of its whole text in one pass.

    Args:
        model (`PreTrainedModel`): The causal LM.

    Returns:
        `str | None`: The reason, for a message.

    Raises:
        InputError: Two short prompts do not fit into memory.
    """
    config = model.config.get_text_config()
    if attention_of(model.config) != "sdpa":
        return f"{attention_of(model.config)} attention was asked for"
    if sliding_window(model) is not None or getattr(config, "attention_chunk_size", None):
        return "the model attends within a window"
    probe = [[3 + 5 * step % 47 for step in range(length)] for length in (9, 6)]
    # Quantized and autocast layers compute with fewer bits than the dtype of the model says.
    exact = quantization_of(model) is None and not torch.is_autocast_enabled(model.device.type)
    tolerance = EXACT if exact and model.dtype in (torch.float32, torch.float64) else ROUNDED
    try:
        decode(model, probe, [3, 3], [0], 2)
        written = decode(model, probe, [3, 3], [0], 1)
        if max(map(partial(_regret, model), probe, written)) > tolerance:
            return "the model keeps state beside its attention"
    except PROBE_ERRORS as error:
        words = probe_fault(error, sum(map(len, probe)))
        return f"the model takes no shared slots ({words[:100]})"
    return None


@torch.inference_mode()
def _regret(model: Any, prompt: list[int], written: list[int]) -> float:
    """Return by how much, in nats, another token was more probable than one written, in a plain pass."""
    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([prompt + written], device=device)
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits.gather(1, ids[0, len(prompt) :, None])[:, 0]
    return float((logits.amax(1) - chosen).max())
