"""A card written to where it belongs: into a model's folder with its evaluations, or into a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_lmt.evaluation.evaluation_folder import RUN, SCORES, TABLE, Evaluation, read_evaluation
from hf_lmt.evaluation.report.heat_maps import draw_heat_map
from hf_lmt.evaluation.report.report_figures import names_of
from hf_lmt.model_card.metadata import CardAdditions, base_model, check_additions
from hf_lmt.model_card.model_card import CARD, render_model_card
from hf_lmt.model_card.owner_words import owner_words
from hf_lmt.model_card.results import FOLDER, HEAT_MAP, pictured
from hf_lmt.model_card.subject import Subject, planned, trained
from hf_lmt.model_card.trained_record import TrainedRecord
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.hub_card import split_card
from hf_miwv.common.runs.folder import read_record, write_errors

COPIED = (SCORES, TABLE, RUN)


def write_model_card(
    folder: str | Path, evaluations: Sequence[str | Path] = (), additions: CardAdditions | None = None
) -> Path:
    """Write README.md into the folder of a trained model, and its evaluations into eval/.

    Evaluations of an earlier call stay; one of the same folder name is replaced. The words between
    the markers of an earlier card are kept, and its license and base model where none is given.

    Args:
        folder (`str | Path`): A folder that `hf-lmt train` wrote.
        evaluations (`Sequence[str | Path]`, *optional*, defaults to `()`): Folders that `hf-lmt evaluate` wrote of
            this model, or their ids on the Hub.
        additions (`CardAdditions`, *optional*): A person's additions to the recorded facts.

    Returns:
        `Path`: The card.

    Raises:
        InputError: the folder is no result of `hf-lmt train`; an evaluation of another model; a
            local path as base model; the markers of an earlier card are damaged.
    """
    folder, additions = Path(folder).expanduser(), additions or CardAdditions()
    run: TrainedRecord | None = read_record(folder)
    if run is None or run.get("command") != "train" or "launch" not in run:
        raise InputError(f"{folder}: is no model that hf-lmt train wrote; give such a folder, or a recipe (YAML)")
    new = [read_evaluation(evaluation_folder) for evaluation_folder in evaluations]
    for evaluation in new:
        _check_model(evaluation, folder, additions)
    additions, words = _with_earlier(folder / CARD, additions)
    subject = _publishable(trained(run), additions)
    # The draft lies inside the folder, on its file system, so that its files can be renamed into place.
    with write_errors(folder), tempfile.TemporaryDirectory(prefix=".card-", dir=folder) as draft:
        for evaluation in new:
            _copy(evaluation, Path(draft))
        kept = [read_evaluation(evaluation_folder) for evaluation_folder in _present(folder, Path(draft))]
        text = render_model_card(subject, kept, additions, words)
        _put(Path(draft), folder, text)
    return folder / CARD


def write_planned_card(recipe: Any, output: Path, additions: CardAdditions | None = None) -> Path:
    """Write the card of a model that is not trained yet to a file.

    Args:
        recipe (`TrainingRecipe`): Of `read_training_recipe`.
        output (`Path`): The file; words between the markers of a card that is there are kept.
        additions (`CardAdditions`, *optional*): A person's additions to the recorded facts.

    Returns:
        `Path`: The card.

    Raises:
        InputError: `output` is a folder, or something else than a card; a local path as base model.
    """
    if output.is_dir():
        raise InputError(f"--output {output} is a folder; give a file, such as {output / CARD}")
    additions, words = _with_earlier(output, additions or CardAdditions())
    text = render_model_card(_publishable(planned(recipe), additions), (), additions, words)
    with write_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = output.with_name(f".{output.name}.part")
        draft.write_text(text, encoding="utf-8", newline="\n")
        os.replace(draft, output)
    return output


def _with_earlier(card: Path, additions: CardAdditions) -> tuple[CardAdditions, str]:
    """Complete `additions` by the card that is there; return it with its owner's words."""
    check_additions(additions)
    if not card.is_file():
        return additions, ""
    text = card.read_text("utf-8")
    metadata, _ = split_card(text, str(card))
    earlier = {name: metadata.get(name) for name in ("base_model", "license")}
    earlier_values = {
        name: value for name, value in earlier.items() if getattr(additions, name) is None and isinstance(value, str)
    }
    return additions._replace(**earlier_values), owner_words(text, str(card))


def _publishable(subject: Subject, additions: CardAdditions) -> Subject:
    """Check that the base model has an id on the Hub; return the subject."""
    if base_model(subject, additions) is None:
        raise InputError(
            f"the base model is {subject.base!r}, a local path, which nobody else has; give "
            "--base-model OWNER/NAME: the base itself, once it is on the Hub, or what it was made "
            "from"
        )
    return subject


def _check_model(evaluation: Evaluation, folder: Path, additions: CardAdditions) -> None:
    """Refuse an evaluation of another model; one of hypotheses from elsewhere says no model, and is taken as it is."""
    model = evaluation.run["model"]
    if model is None or not model["source"]:
        return
    source = Path(model["source"]).expanduser()
    same = source.exists() and source.resolve() == folder.resolve()
    if not same and model["source"] != additions.repository:
        raise InputError(
            f"{evaluation.name}: judges the model {model['source']}, and the card is of "
            f"{folder}; give an evaluation of this model, or --repository {model['source']} where "
            "that is the same model on the Hub"
        )


def _copy(evaluation: Evaluation, draft: Path) -> None:
    """Copy the files that a card needs of an evaluation; sentences and counts stay in its own folder."""
    destination = draft / FOLDER / names_of([evaluation])[0]
    if destination.exists():
        raise InputError(f"two evaluations are called {destination.name}; rename one of their folders")
    destination.mkdir(parents=True)
    for name in COPIED:
        shutil.copyfile(evaluation.folder / name, destination / name)
    draw_heat_map(evaluation, destination, HEAT_MAP, pictured(evaluation))


def _present(folder: Path, draft: Path) -> list[Path]:
    """Return the evaluations that eval/ will hold, by name; new ones as they lie in the draft."""
    folders = {
        evaluation_folder.name: evaluation_folder
        for root in (folder, draft)
        for evaluation_folder in (root / FOLDER).glob("*")
        if (evaluation_folder / SCORES).is_file()
    }
    return [folders[name] for name in sorted(folders)]


def _put(draft: Path, folder: Path, text: str) -> None:
    """Put the card last, so that it never names what does not exist yet."""
    (draft / CARD).write_text(text, encoding="utf-8", newline="\n")
    for evaluation_folder in sorted((draft / FOLDER).glob("*")):
        target = folder / FOLDER / evaluation_folder.name
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            os.rename(target, draft / f"replaced-{evaluation_folder.name}")
        os.rename(evaluation_folder, target)
    os.replace(draft / CARD, folder / CARD)
