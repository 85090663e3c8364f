"""The rewards of a recipe as the functions that TRL calls, each checked whenever it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from datasets import Dataset

from hf_lmt.recipes.reinforcement import Reinforcement, RewardSettings
from hf_lmt.rewards.gating import reward_name, reward_values
from hf_lmt.rewards.named_rewards import make_reward, reward_identity
from hf_lmt.rewards.reward_columns import Completion, Reward
from hf_miwv.common.errors import InputError

CHECKED = 8  # rows whose references are rewarded before the first step


class RewardFunctions(NamedTuple):
    """Hold the rewards of a recipe as functions; those that are only watched come last, with weight 0.

    Attributes:
        functions (`list[Reward]`): The functions.
        weights (`list[float]`): Their weights, in the same order.
        names (`list[str]`): The names that the recipe has for them.
    """

    functions: list[Reward]
    weights: list[float]
    names: list[str]

    def identities(self, *, loaded: bool = False) -> list[dict[str, Any]]:
        """Describe each function with its weight, for the record of the run, as `reward_identity` does.

        Args:
            loaded (`bool`, *optional*, defaults to `False`): Whether the models of the functions are loaded
                already, as `reward_identity` takes it.

        Returns:
            `list[dict[str, Any]]`: A description of each function, in their order.
        """
        return [
            {**reward_identity(getattr(function, "__wrapped__", function), name, loaded=loaded), "weight": weight}
            for function, name, weight in zip(self.functions, self.names, self.weights, strict=True)
        ]


def reward_functions(reinforcement: Reinforcement, weights: Sequence[float] | None) -> RewardFunctions:
    """Make the functions of a recipe, the watched ones with weight 0.

    Args:
        reinforcement (`Reinforcement`): The keys of the stage.
        weights (`Sequence[float]`, *optional*): `reward_weights` of the recipe; by default 1 each.

    Returns:
        `RewardFunctions`: The functions, whose models are not loaded yet.

    Raises:
        InputError: There is no such function.
    """
    entries = [*reinforcement.rewards, *reinforcement.watched]
    factors = [1.0] * len(reinforcement.rewards) if weights is None else list(map(float, weights))
    return RewardFunctions(
        [_checked(settings) for settings in entries],
        [*factors, *[0.0] * len(reinforcement.watched)],
        [settings.reward for settings in entries],
    )


def _checked(settings: RewardSettings) -> Reward:
    """Wrap a reward so that whatever it gives is one finite number for each completion."""
    function = make_reward(settings.reward, settings.model, settings.dtype, settings.device, settings.base_url)

    def checked(completions: Sequence[Completion], **columns: Any) -> list[float]:
        return reward_values(function, completions, columns).tolist()

    checked.__name__ = checked.__qualname__ = reward_name(function)
    vars(checked)["__wrapped__"] = function
    return checked


def check_rewards(rewards: RewardFunctions, rows: Dataset) -> dict[str, float]:
    """Reward the references of the first rows, so that what is missing is told before anything is generated.

    Args:
        rewards (`RewardFunctions`): The functions.
        rows (`Dataset`): With prompt, target and the other columns that rewards read.

    Returns:
        `dict[str, float]`: Name of each function -> mean over the references.

    Raises:
        InputError: A function cannot be called, its model cannot be loaded, or what it gives is not one finite
            number for each completion; it is named.
    """
    sample: Mapping[str, list[Any]] = rows[: min(CHECKED, len(rows))]
    prompts = sample["prompt"]
    targets = sample["target"]
    completions = targets if isinstance(prompts[0], str) else [_turn(text) for text in targets]
    columns = {name: values for name, values in sample.items() if name not in ("prompt", "completion")}
    means = {}
    for function, name in zip(rewards.functions, rewards.names, strict=True):
        try:
            values = function(completions=completions, prompts=prompts, completion_ids=[[0]] * len(prompts), **columns)
        except InputError:
            raise
        except Exception as error:  # whatever somebody's function raises
            raise InputError(
                f"reward {name} fails on the references of the first {len(prompts)} rows: "
                f"{type(error).__name__}: {error}"
            ) from error
        means[name] = sum(values) / len(values)
    return means


def _turn(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]
