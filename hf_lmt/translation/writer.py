"""Prompts to texts: each distinct one once, what is on disk not again, the rest batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hf_lmt.translation.generate import Backend, write_halving
from hf_lmt.translation.store import Entry, Store, entry_key
from hf_miwv.common.models.generation import plan_batches

Notify = Callable[[int], None]


class Writer:
    """A backend with the folder that its finished texts lie in, if they are kept.

    Batches are planned over all prompts, also those whose texts are there already, so that a run
    that was killed goes on with the batches that it would have come to.

    Args:
        backend (`Backend`): Writes what is not on disk yet.
        work (`Path | None`): The folder; None to keep nothing.
        counts (`Counter[str]`): Where `tokens` written and `reused` texts are added up.
    """

    def __init__(self, backend: Backend, work: Path | None, counts: Counter[str]) -> None:
        self.backend, self._counts = backend, counts
        self._store = Store(work) if work is not None else None
        self._made_by = backend.made_by() if self._store else {}

    def write(self, prompts: Sequence[list[int]], caps: Sequence[int], notify: Notify) -> list[Entry]:
        """Write the text of each prompt, each distinct one once.

        Args:
            prompts (`Sequence[list[int]]`): (R,) prompts as token ids.
            caps (`Sequence[int]`): (R,) tokens that each text may have.
            notify (`Notify`): Called with the number of prompts of each part that is finished.

        Returns:
            `list[Entry]`: (R,) text, status ("ok", "capped", or "too_long" where the cap is below 1) and tokens.
        """
        keys = [entry_key(self._made_by, *pair) for pair in zip(prompts, caps, strict=True)]
        # Equal prompts with equal caps are one entry, which is written once
        # and handed out as often as it is asked for.
        uses, index_of_key = Counter(keys), {key: index for index, key in enumerate(keys)}
        entries: dict[bytes, Entry] = {
            key: ("", "too_long", 0) for key, index in index_of_key.items() if caps[index] < 1
        }
        notify(sum(uses[key] for key in entries))
        keys_to_write = [key for key in index_of_key if key not in entries]
        if self._store:
            entries |= self._store.get(keys_to_write)
        for batch in self._batches(keys_to_write, index_of_key, prompts, caps):
            # Planned with the others but not written again: the texts that remain
            # lie in the batches of the run that was killed.
            missing = [key for key in batch if key not in entries]
            self._counts["reused"] += len(batch) - len(missing)
            if missing:
                some = [index_of_key[key] for key in missing]
                parts = [prompts[index] for index in some], [caps[index] for index in some]
                entries |= self._written(missing, *parts)
            notify(sum(uses[key] for key in batch))
        return [entries[key] for key in keys]

    def close(self) -> None:
        """Close the store, if there is one."""
        if self._store:
            self._store.close()

    def _batches(
        self,
        keys_to_write: Sequence[bytes],
        index_of_key: dict[bytes, int],
        prompts: Sequence[list[int]],
        caps: Sequence[int],
    ) -> list[list[bytes]]:
        planned = plan_batches(
            [len(prompts[index_of_key[key]]) for key in keys_to_write],
            [caps[index_of_key[key]] for key in keys_to_write],
            self.backend.beams,
            self.backend.batch_tokens,
        )
        return [[keys_to_write[index] for index in batch] for batch in planned]

    def _written(self, keys: Sequence[bytes], prompts: Sequence[list[int]], caps: Sequence[int]) -> dict[bytes, Entry]:
        entries = dict(zip(keys, write_halving(self.backend, prompts, caps), strict=True))
        if self._store:
            self._store.add(entries)
        self._counts["tokens"] += sum(tokens for _, _, tokens in entries.values())
        return entries
