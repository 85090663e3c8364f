"""Which calls of `on_evaluate` are one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerState


class Rounds:
    """Tells the first evaluation set of an evaluation from the others.

    A Trainer with several evaluation sets reports each by itself, at the same step and under names
    of its own (`eval_NAME_runtime`). The same names again at the same step are a new evaluation,
    as after the best model was loaded.
    """

    def __init__(self) -> None:
        self._step, self._seen = -1, set[str]()

    def begins(self, state: TrainerState, metrics: Mapping[str, Any]) -> bool:
        """Check whether an evaluation begins with these metrics.

        Args:
            state (`TrainerState`): State of the trainer, for its step.
            metrics (`Mapping[str, Any]`): The metrics that `on_evaluate` is called with.

        Returns:
            `bool`: True for the first call of an evaluation; False for its further data sets, and for other
            prefixes.
        """
        names = {name for name in metrics if name.endswith("_runtime")}
        if names and not any(name.startswith("eval_") for name in names):
            return False  # of another metric_key_prefix
        again = state.global_step == self._step and names and not names & self._seen
        self._seen = self._seen | names if again else names
        self._step = state.global_step
        return not again
