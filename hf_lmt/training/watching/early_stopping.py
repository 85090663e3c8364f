"""Early stopping whose patience outlives a kill."""

from __future__ import annotations

from typing import Any

from transformers import EarlyStoppingCallback, TrainerState


class EarlyStopping(EarlyStoppingCallback):
    """transformers' own, which begins to count anew when a killed training goes on.

    The trainer writes the count into each checkpoint's trainer_state.json, and reads it back with
    restore_callback_states_from_checkpoint alone, which makes every such callback anew, and after
    others have been placed before it. Here the count is taken from the state when the training
    begins; a run that was killed after its last evaluation has no step left.
    """

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Take up the count of evaluations without a gain after a resumption."""
        super().on_train_begin(args, state, control, **kwargs)
        if state.global_step > 0:
            self.early_stopping_patience_counter = _saved_count(state, type(self).__name__)
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


def _saved_count(state: TrainerState, name: str) -> int:
    """Return evaluations without a gain before the checkpoint; of several callbacks, the last one's."""
    all_saved: Any = state.stateful_callbacks or {}
    saved = all_saved.get(name) or {}
    saved_callback = saved[-1] if isinstance(saved, list) else saved
    return int(saved_callback.get("attributes", {}).get("early_stopping_patience_counter", 0))
