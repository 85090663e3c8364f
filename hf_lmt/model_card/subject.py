"""The subject of a card: a trained model by its run.json, or one to come by its recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hf_lmt.data.method.prompts import Wording
from hf_lmt.data.prepare.preparation_record import settings_of
from hf_lmt.data.prepare.prepared_record import PreparationSettings
from hf_lmt.directions import DIRECTIONS, Direction, parse_direction
from hf_lmt.model_card.trained_record import TrainedRecord

if TYPE_CHECKING:
    from hf_lmt.recipes.training_recipe import TrainingRecipe

MODEL = "model_name_or_path"


@dataclass(frozen=True)
class Subject:
    """A model as its card describes it.

    Attributes:
        recipe (`Mapping[str, Any]`): The recipe's content, overrides in place.
        recipe_text (`str`): The file as it stands, where there is no run yet.
        run (`TrainedRecord | None`): The content of run.json; None before training.
        directions (`Sequence[Direction]`): The directions of its rows, or to come, in the order of DIRECTIONS.
        settings (`PreparationSettings`): How its rows are made, as run.json of `prepare` has it.
        sources (`Sequence[Mapping[str, Any]]`): Corpus, path, license and rows of each source; rows are None where
            not counted.
    """

    recipe: Mapping[str, Any]
    recipe_text: str
    run: TrainedRecord | None
    directions: Sequence[Direction]
    settings: PreparationSettings
    sources: Sequence[Mapping[str, Any]]

    @property
    def base(self) -> str:
        """Return the model that training starts from, as the recipe names it."""
        return str(self.recipe[MODEL])

    @property
    def prompts(self) -> Mapping[str, Any] | None:
        """Return wording, form, thinking and share of hints of the prompts it is trained with.

        None for a model of continued pre-training, which reads texts and pairs as lines.
        """
        return self.settings["pmp"]

    @property
    def by_rewards(self) -> bool:
        """Return whether it is rewarded for translations of its own (stage grpo)."""
        return self.recipe.get("stage") == "grpo"

    @property
    def codes(self) -> list[str]:
        """Return the languages, in alphabetical order of their codes."""
        return sorted({code for direction in self.directions for code in direction})

    @property
    def is_adapter(self) -> bool:
        """Return whether the folder holds an adapter, and not the whole model."""
        return bool(self.recipe.get("use_peft")) and not self.recipe.get("merge")


def trained(run: TrainedRecord) -> Subject:
    """Describe the model of a finished `train`.

    Args:
        run (`TrainedRecord`): The content of its run.json.

    Returns:
        `Subject`: The model, without the text of its recipe.
    """
    names = {name for name in run["prepared"]["counts"]["directions"] if "-" in name}
    return Subject(
        recipe=run["recipe"],
        recipe_text="",
        run=run,
        directions=_in_order(parse_direction(name) for name in names),
        settings=run["prepared"]["settings"],
        sources=[*run["data"], *_monolingual(run["prepared"]["settings"])],
    )


def planned(recipe: TrainingRecipe) -> Subject:
    """Describe the model that a recipe will make.

    Args:
        recipe (`TrainingRecipe`): The recipe.

    Returns:
        `Subject`: The model, without a run.
    """
    settings = settings_of(recipe.data)
    return Subject(
        recipe=recipe.content,
        recipe_text=recipe.path.read_text("utf-8"),
        run=None,
        directions=recipe.data.directions,
        settings=settings,
        sources=[
            {"corpus": source.corpus_name, "path": source.path, "license": source.license, "rows": None}
            for source in recipe.data.sources
        ]
        + _monolingual(settings),
    )


def wording_of(prompts: Mapping[str, Any]) -> str | Wording:
    """Return the wording's name, or the templates themselves where run.json has them.

    Args:
        prompts (`Mapping[str, Any]`): Settings of the prompts, as run.json has them.

    Returns:
        `str | Wording`: The name, or the templates.
    """
    wording = prompts["wording"]
    return Wording(**wording) if isinstance(wording, Mapping) else wording


def _monolingual(settings: PreparationSettings) -> list[dict[str, Any]]:
    """Return the sources of texts of a mixture, which count tokens and no rows."""
    sources = (settings["mixture"] or {}).get("monolingual") or []
    return [
        {"corpus": "monolingual", "path": part["path"], "license": part.get("license"), "rows": None}
        for part in sources
    ]


def _in_order(directions: Any) -> list[Direction]:
    rank = {direction: index for index, direction in enumerate(DIRECTIONS)}
    return sorted(directions, key=lambda name: (rank.get(name, len(rank)), name))
