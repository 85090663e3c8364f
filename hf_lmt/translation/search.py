"""Greedy and beam search over the logits of a batch, step by step, rows leaving when they end."""

from __future__ import annotations

from typing import NamedTuple

import torch

NEVER = -1.0e9  # the score of what must not be chosen
FEW_ENDS = 16  # end tokens up to which they are drawn along with the B most probable tokens


class Step(NamedTuple):
    """Hold one step of a search of R rows.

    Attributes:
        tokens (`torch.Tensor`): (R, B) token ids to read next.
        parents (`torch.Tensor`): (R, B) beam of the last step that each follows.
    """

    tokens: torch.Tensor
    parents: torch.Tensor


class GreedySearch:
    """Choose the most probable token at every step.

    Args:
        caps (`torch.Tensor`): (R,) tokens that each row may have.
        ends (`torch.Tensor`): Ids that end a text.

    Attributes:
        done (`torch.Tensor`): (R,) bool, rows that have ended: by an end token, or at their cap.
    """

    def __init__(self, caps: torch.Tensor, ends: torch.Tensor) -> None:
        """Begin with no token written."""
        self._caps, self._ends = caps, ends
        self._written = caps.new_zeros(len(caps), 0)
        self.done = torch.zeros_like(caps, dtype=torch.bool)

    def advance(self, logits: torch.Tensor) -> Step:
        """Choose the next token of each row.

        Args:
            logits (`torch.Tensor`): (R, 1, V) of the token to come.

        Returns:
            `Step`: (R, 1) tokens, and the beam that each goes on from, always 0.
        """
        tokens = logits.argmax(-1)
        self._written = written = torch.cat([self._written, tokens], dim=1)
        self.done |= torch.isin(tokens[:, 0], self._ends) | (self._caps <= written.shape[1])
        return Step(tokens, torch.zeros_like(tokens))

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these.

        Args:
            rows (`torch.Tensor`): (R',) int64 indices of rows.
        """
        self._caps, self._written, self.done = (part[rows] for part in (self._caps, self._written, self.done))

    def best(self, row: int) -> list[int]:
        """Return the token ids of a row, its end token included.

        Args:
            row (`int`): Index of the row.

        Returns:
            `list[int]`: (T,) token ids.
        """
        return self._written[row].tolist()


class BeamSearch:
    """Search with beams as `transformers` does (5.23: length_penalty 1, early_stopping False), by rows.

        score(y) = log p(y | prompt) / |y|        |y| in tokens, the end token counted

    At each step the B most probable continuations of a row's B beams are looked at: those that end
    become candidates, the B best that do not end are the beams of the next step. A row is done
    once it has B candidates and its best beam, divided by its present length, is not above the
    worst of them; or at its cap, where beams count as they stand. In a batch, its neighbors do
    not keep it running. Of each beam B + ends tokens are drawn, or with many end tokens B twice,
    with and without them, where `transformers` draws B x (1 + ends) of each row: the same choice.

    Args:
        caps (`torch.Tensor`): (R,) tokens that each row may have.
        ends (`torch.Tensor`): Ids that end a text.
        beams (`int`): B, 2 or more.

    Attributes:
        done (`torch.Tensor`): (R,) bool, rows that have ended.
    """

    def __init__(self, caps: torch.Tensor, ends: torch.Tensor, beams: int) -> None:
        self._caps, self._ends, self._beams = caps, ends, beams
        rows = len(caps)
        self._scores = torch.zeros(rows, 1, device=caps.device)
        self._running = caps.new_zeros(rows, 1, 0)
        self._finished = caps.new_zeros(rows, beams, 0)
        self._lengths = caps.new_zeros(rows, beams)
        self._finished_scores = torch.full((rows, beams), NEVER, device=caps.device)
        self.done = torch.zeros_like(caps, dtype=torch.bool)

    def advance(self, logits: torch.Tensor) -> Step:
        """Choose the next beams of each row.

        Args:
            logits (`torch.Tensor`): (R, b, V) float32 of b beams: 1 at the first step, then B.

        Returns:
            `Step`: (R, B) tokens, and the beam that each goes on from.
        """
        # A log-softmax shifts all logits of a beam by one number, so the plain logits draw
        # the same tokens, without another tensor of their size.
        totals = self._scores[:, :, None] - logits.logsumexp(-1, keepdim=True)
        drawn = logits.topk(self._to_draw(logits.shape[-1]), dim=-1)
        return self._choose(drawn, self._without_ends(*drawn, logits), totals)

    def advance_drawn(self, log_probabilities: torch.Tensor, ids: torch.Tensor) -> Step:
        """Choose the next beams from the most probable tokens of each beam, for engines that return no logits.

        It is the choice of `advance` as long as no beam has more than k - B end tokens among its k.

        Args:
            log_probabilities (`torch.Tensor`): (R, b, k) of the k most probable tokens, falling, in nats.
            ids (`torch.Tensor`): (R, b, k) these tokens.

        Returns:
            `Step`: As `advance`.
        """
        still_open = log_probabilities.masked_fill(torch.isin(ids, self._ends), float("-inf"))
        return self._choose((log_probabilities, ids), (still_open, ids), self._scores[:, :, None])

    def _choose(
        self,
        drawn: tuple[torch.Tensor, torch.Tensor],
        still_open: tuple[torch.Tensor, torch.Tensor],
        totals: torch.Tensor,
    ) -> Step:
        """Collect what ends among the B best of (R, b, k) drawn tokens; go on with the B best that do not end."""
        best = self._continuations(*drawn, totals)
        capped = (self._caps <= self._running.shape[2] + 1)[:, None]
        self._collect(*best, torch.isin(best[1], self._ends) | capped)
        self._scores, tokens, parents = self._continuations(*still_open, totals)
        self._running = _append(self._running, parents, tokens)
        # The worst of B candidates; a row that has fewer still has NEVER among its scores.
        settled = self._finished_scores.amin(1)
        length = self._running.shape[2]
        full = settled > NEVER / 2
        self.done |= capped[:, 0] | (full & (self._scores[:, 0] / length <= settled))
        return Step(tokens, parents)

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these.

        Args:
            rows (`torch.Tensor`): (R',) int64 indices of rows.
        """
        for name in ("_caps", "_scores", "_running", "_finished", "_lengths", "_finished_scores", "done"):
            setattr(self, name, getattr(self, name)[rows])

    def best(self, row: int) -> list[int]:
        """Return the token ids of a row's best candidate, its end token included.

        Args:
            row (`int`): Index of the row.

        Returns:
            `list[int]`: (T,) token ids.
        """
        best_beam = int(self._finished_scores[row].argmax())
        return self._finished[row, best_beam, : int(self._lengths[row, best_beam])].tolist()

    def _to_draw(self, vocabulary: int) -> int:
        """Count the tokens of each beam among which are the B best, and with few end tokens B others."""
        ends = len(self._ends) if len(self._ends) <= FEW_ENDS else 0
        return min(self._beams + ends, vocabulary)

    def _without_ends(
        self, values: torch.Tensor, ids: torch.Tensor, logits: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (R, b, k) logits and ids of tokens among which are the B best that do not end a text."""
        if len(self._ends) <= FEW_ENDS:
            return values.masked_fill(torch.isin(ids, self._ends), float("-inf")), ids
        # With many end tokens, drawing B plus their number for each beam would
        # cost more than a second topk without them.
        open_logits = logits.index_fill(-1, self._ends, float("-inf"))
        values, ids = open_logits.topk(min(self._beams, logits.shape[-1]), dim=-1)
        return values, ids

    def _continuations(
        self, values: torch.Tensor, ids: torch.Tensor, totals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (R, B) scores, tokens and parents of the best of (R, b, k) continuations, falling."""
        scores, positions = (values + totals).flatten(1).topk(self._beams, dim=-1)
        return scores, ids.flatten(1).gather(1, positions), positions // ids.shape[2]

    def _collect(self, scores: torch.Tensor, tokens: torch.Tensor, parents: torch.Tensor, ended: torch.Tensor) -> None:
        """Take the continuations that ended among the B best candidates."""
        # A row that is done stays in the batch until the cache is tidied, and
        # must get no better candidates meanwhile.
        open_rows = ~self.done[:, None]
        if not (ended & open_rows).any():
            return
        length = self._running.shape[2] + 1
        ended_scores = torch.where(ended & open_rows, scores / length, NEVER)
        merged = torch.cat([self._finished_scores, ended_scores], dim=1)
        self._finished_scores, positions = merged.topk(self._beams, dim=1)
        texts = _append(self._running, parents, tokens)
        # Candidates ended after different numbers of tokens: padding makes them
        # one tensor, and their lengths say what counts.
        padded = torch.nn.functional.pad(self._finished, (0, length - self._finished.shape[2]))
        self._finished = _gather(torch.cat([padded, texts], dim=1), positions)
        lengths = torch.cat([self._lengths, torch.full_like(tokens, length)], dim=1)
        self._lengths = lengths.gather(1, positions)


def _gather(texts: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Gather (R, B, T) of (R, b, T), by (R, B) positions."""
    return texts.take_along_dim(positions[:, :, None], dim=1)


def _append(texts: torch.Tensor, parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return torch.cat([_gather(texts, parents), tokens[:, :, None]], dim=2)
