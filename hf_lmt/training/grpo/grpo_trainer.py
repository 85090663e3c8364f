"""TRL's GRPOTrainer with the prompts of translating, figures by direction, and the guard against spoiled steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from accelerate.utils import gather_object
from trl import GRPOTrainer

from hf_lmt.data.method.prompts import prompt_ids, thinking_arguments
from hf_lmt.directions import Direction
from hf_lmt.rewards.reward_columns import completion_texts
from hf_lmt.training.grpo.rollout_figures import describe_rollouts, rollout_figures
from hf_miwv.common.trainer.checkpoints import EndsAtItsLastStep, ResumesInTheSameDtypes
from hf_miwv.common.trainer.finite_steps import FiniteSteps
from hf_miwv.common.trainer.live_trainer import tokenizer_of

GATE = "gate_"  # how the columns begin in which gates give their reasons


class WatchedGRPOTrainer(EndsAtItsLastStep, ResumesInTheSameDtypes, FiniteSteps, GRPOTrainer):
    """GRPOTrainer that stops before a step by a gradient that is no number.

    It starts from the ids that translating starts from, also where a source holds a control token as text, and logs
    the figures of `rollout_figures`.

    Args:
        *args (`Any`): Arguments of GRPOTrainer.
        thinking (`str`): How the rows' prompts were made, a name in `prompts.THINKING`.
        **kwargs (`Any`): Keyword arguments of GRPOTrainer.
    """

    def __init__(self, *args: Any, thinking: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._template_arguments = thinking_arguments(thinking)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        ids: list[list[int]] = []
        for row, prompt in enumerate(prompts):
            # the completions of a prompt stand together
            if row and prompt == prompts[row - 1]:
                ids.append(list(ids[-1]))
            else:
                ids.append(self._ids(prompt))
        return ids, None, {}

    def _ids(self, prompt: Any) -> list[int]:
        row = {"prompt": prompt, "chat_template_kwargs": self._template_arguments}
        return prompt_ids(tokenizer_of(self), row)

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> Any:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        count, pending = len(prompts), self._pending_extra_logs
        # several rewards may have the same gate, whose reasons then stand here more than once
        gates: dict[str, Sequence[bool]] = {
            name.removeprefix(GATE): [not reason for reason in reasons[:count]]
            for name, reasons in sorted(pending.items())
            if name.startswith(GATE)
        }
        rollouts = describe_rollouts(
            [Direction(row["source_lang"], row["target_lang"]) for row in inputs],
            [row["source"] for row in inputs],
            completion_texts(completions),
            [len(ids) for ids in completion_ids_list],
            [row["target"] for row in inputs],
            gates,
        )
        model: Any = self.model
        training, generations = model.training, self.num_generations if model.training else self.num_generations_eval
        figures = rollout_figures(
            gather_object(rollouts),
            rewards.double().cpu().numpy(),
            self.reward_weights.tolist(),
            generations or 1,
        )
        for name, value in figures.items():
            self._metrics["train" if training else "eval"][name].append(value)
        return rewards

    def sequences_of(self, batches: Sequence[Any]) -> list[np.ndarray]:
        """Return the ids of the prompts of a step, each once; a batch are the rows of its generation.

        Args:
            batches (`Sequence[Any]`): The batches of the step.

        Returns:
            `list[np.ndarray]`: (P,) token ids of each prompt.
        """
        seen: list[np.ndarray] = []
        previous = None
        for row in (row for batch in batches[:1] for row in batch):
            if row["prompt"] != previous:
                seen.append(np.array(self._ids(row["prompt"])))
            previous = row["prompt"]
        return seen
