"""The YAML block at the head of a model's card, by the Hub client's own classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.model_card.results import eval_results
from hf_lmt.model_card.subject import Subject
from hf_miwv.common.cards.parts import on_hub
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.names import repository_fault


class CardAdditions(NamedTuple):
    """A person's additions to the recorded facts; None where nothing is added.

    Attributes:
        repository (`str`, *optional*): OWNER/NAME that the model has, or will have, on the Hub.
        base_model (`str`, *optional*): OWNER/NAME of the model that training started from, where the recipe has a
            local path.
        license (`str`, *optional*): License of the model, by the Hub's name of it.
    """

    repository: str | None = None
    base_model: str | None = None
    license: str | None = None


def check_additions(additions: CardAdditions) -> None:
    """Check that what is given can be an id on the Hub.

    Args:
        additions (`CardAdditions`): What the command line gives for the card.

    Raises:
        InputError: the repository or the base model cannot be.
    """
    for option, value in (("--repository", additions.repository), ("--base-model", additions.base_model)):
        if value is not None and (fault := repository_fault(value)):
            raise InputError(f"{option} {value}: is no id on the Hub: {fault}; give OWNER/NAME")


def base_model(subject: Subject, additions: CardAdditions) -> str | None:
    """Return the base's id on the Hub.

    Args:
        subject (`Subject`): The model.
        additions (`CardAdditions`): What the command line gives for the card; it goes before the recipe.

    Returns:
        `str | None`: The id; None where the recipe has a local path and no other is given.
    """
    if repository := additions.base_model or recorded(subject, "base_model"):
        return repository
    return subject.base if on_hub(subject.base) else None


def recorded(subject: Subject, key: str) -> str | None:
    """Return the value of a key in the recipe's section `hub`.

    Args:
        subject (`Subject`): The model.
        key (`str`): The key.

    Returns:
        `str | None`: The value; None where it has none.
    """
    return (subject.recipe.get("hub") or {}).get(key)


def front_matter(subject: Subject, evaluations: Sequence[Evaluation], additions: CardAdditions, title: str) -> str:
    """Write the front matter of the card.

    `base_model` and data sets only where they are ids on the Hub, which refuses others.

    Args:
        subject (`Subject`): The model.
        evaluations (`Sequence[Evaluation]`): Its evaluations, whose results go into the metadata.
        additions (`CardAdditions`): What the command line gives for the card; it goes before the recipe.
        title (`str`): Name of the model.

    Returns:
        `str`: YAML between its two marks.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        base_model=base_model(subject, additions),
        datasets=_datasets(subject) or None,
        language=subject.codes,
        library_name="peft" if subject.is_adapter else "transformers",
        license=additions.license or recorded(subject, "license"),
        pipeline_tag="translation",
        tags=["machine-translation", "multilingual", "lmt"],
        eval_results=eval_results(evaluations) or None,
        model_name=title,
    )
    return f"---\n{data.to_yaml()}\n---"


def _datasets(subject: Subject) -> list[str]:
    paths = [source["path"] for source in subject.sources]
    return sorted({path for path in paths if isinstance(path, str) and on_hub(path)})
