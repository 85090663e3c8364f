"""The section `hub` of recipes: where the results of a training go, and when."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.background import WAITING, BackgroundPush
from hf_miwv.common.hub.folder_contents import CARD
from hf_miwv.common.hub.hub_card import join_card
from hf_miwv.common.hub.messages import explained_hub_errors
from hf_miwv.common.hub.names import is_repository, repository_fault
from hf_miwv.common.hub.push import MAIN, make_repository
from hf_miwv.common.hub.push_checkpoints import Complete, PushCheckpoints
from hf_miwv.common.hub.telling import push_folder
from hf_miwv.common.recipes.fields import field_hints
from hf_miwv.common.runs.workspace import Workspace


@dataclass(frozen=True)
class HubSection:
    """The section `hub` of a recipe.

    Args:
        repo_id (`str`): OWNER/NAME; nothing is pushed without.
        private (`bool`, *optional*, defaults to `True`): Whether a repository made now is private.
        revision (`str`, *optional*, defaults to `"main"`): Branch of the finished model.
        every_save (`bool`, *optional*, defaults to `False`): Push each checkpoint as the revision step-N, while the
            training runs.
        base_model (`str`, *optional*): OWNER/NAME, for an adapter on a model that was read from a local path.
    """

    repo_id: str
    private: bool = True
    revision: str = "main"
    every_save: bool = False
    base_model: str = ""


HUB_KEYS: Mapping[str, Any] = field_hints(HubSection)

EVERY_SAVE = ("every_save", "checkpoint", "all_checkpoints")  # of transformers' HubStrategy

logger = logging.getLogger(__name__)


def hub_of_trl_keys(
    pushing: Mapping[str, Any], hub: Mapping[str, Any], output_dir: str | None, faults: list[str]
) -> dict[str, Any]:
    """Return the section `hub`, with what TRL's keys for pushing say in it.

    `push_to_hub: true` pushes the finished model to `hub_model_id`, by default the name of output_dir
    under the user's account as in transformers; private unless `hub_private_repo: false` (ours:
    transformers makes what the account's default says). `hub_strategy` every_save, checkpoint and
    all_checkpoints push each checkpoint as the revision step-N; end, and no word, the finished model alone
    (ours: transformers' default is every_save). `hub_revision` is the branch of the finished model.

    Args:
        pushing (`Mapping`): The keys of `common.recipes.trl_keys.PUSHING` that the recipe has, typed.
        hub (`Mapping`): Its section `hub`, typed.
        output_dir (`str`, *optional*): The recipe's key.
        faults (`list[str]`): All that is wrong is added to it.

    Returns:
        `dict`: The section, with keys of HUB_KEYS.
    """
    if not pushing.get("push_to_hub"):
        if without := [key for key in pushing if key != "push_to_hub"]:
            faults.append(f"{', '.join(without)}: no effect without push_to_hub: true; add it, or leave them out")
        return dict(hub)
    meant: dict[str, Any] = {}
    strategy = getattr(pushing.get("hub_strategy"), "value", pushing.get("hub_strategy"))
    repo_id = pushing.get("hub_model_id") or hub.get("repo_id") or Path(output_dir or "").name
    if repo_id and "/" not in repo_id:
        repo_id = _under_my_account(repo_id, faults)
    if repo_id:
        meant["repo_id"] = repo_id
    if pushing.get("hub_private_repo") is not None:
        meant["private"] = pushing["hub_private_repo"]
    if strategy is not None:
        meant["every_save"] = strategy in EVERY_SAVE
    if pushing.get("hub_revision"):
        meant["revision"] = pushing["hub_revision"]
    for key in meant:
        if key in hub and hub[key] != meant[key]:
            faults.append(f"hub: {key} is {hub[key]!r}, and TRL's keys say {meant[key]!r}; give it once")
    return {**meant, **hub}


def _under_my_account(name: str, faults: list[str]) -> str | None:
    """Return OWNER/NAME with the user that is logged in as the owner."""
    from huggingface_hub import get_token, whoami

    if get_token() is None:
        faults.append(
            f"push_to_hub: you are not logged in, so the owner of {name} is not known; run `hf auth login`, or give "
            f"hub_model_id: OWNER/{name}"
        )
        return None
    try:
        with explained_hub_errors("push_to_hub", f"give hub_model_id: OWNER/{name}"):
            return f"{whoami()['name']}/{name}"
    except InputError as error:
        faults.append(str(error))
        return None


def hub_faults(hub: Mapping[str, Any], model: str, adapter: bool, training: Mapping[str, Any]) -> list[str]:
    """List the faults that would make a push fail in the end; each says what to change.

    Args:
        hub (`Mapping[str, Any]`): The section, with keys of HUB_KEYS.
        model (`str`): The model that is trained: a Hub id or a local path.
        adapter (`bool`): Whether an adapter beside it is trained, which names it.
        training (`Mapping[str, Any]`): Keys of trl.SFTConfig.

    Returns:
        `list[str]`: The faults.
    """
    faults = []
    for key in ("repo_id", "base_model"):
        if key in hub and (fault := repository_fault(hub[key])):
            faults.append(f"hub: {key} {hub[key]!r}: the Hub does not take it: {fault}; give OWNER/NAME")
    if "repo_id" not in hub:
        pushing = [key for key in HUB_KEYS if key in hub]
        return (
            [*faults, f"hub: {', '.join(pushing)}: nothing says where to; give repo_id: OWNER/NAME"]
            if pushing
            else faults
        )
    # A folder of that name shadows the Hub id: the weights came from here, and nobody else has them.
    local = not is_repository(model) or Path(model).exists()
    if adapter and local and "base_model" not in hub:
        faults.append(
            "hub: the adapter would name its base model by a local path, which nobody else has; "
            "give base_model: OWNER/NAME, where the same model is on the Hub"
        )
    if hub.get("every_save") and training.get("save_strategy") == "no":
        faults.append("hub: every_save: save_strategy no saves nothing; change one of them")
    return faults


def hub_words(hub: Mapping[str, Any]) -> str:
    """Describe in one line the pushes to come, and whether the user is logged in.

    Args:
        hub (`Mapping[str, Any]`): The section, with keys of HUB_KEYS.

    Returns:
        `str`: The line.
    """
    from huggingface_hub import get_token

    seen_by = "private" if hub.get("private", True) else "public"
    saves = "each checkpoint as the revision step-N, then " if hub.get("every_save") else ""
    login = "" if get_token() else "; you are not logged in here: `hf auth login` before training"
    return f"{hub['repo_id']} ({seen_by}): {saves}the finished model to the branch {hub.get('revision', MAIN)}{login}"


def open_hub(hub: Mapping[str, Any]) -> None:
    """Make the repository before the training, so that a refusal comes in seconds and not in days.

    Where the Hub cannot be reached this is told, and the training may begin.

    Args:
        hub (`Mapping[str, Any]`): The section, with keys of HUB_KEYS.

    Raises:
        InputError: nobody is logged in, or the Hub refuses.
    """
    if not make_repository(hub["repo_id"], kind="model", public=not hub.get("private", True)):
        logger.warning("hub: the training begins, and its results are pushed as they come")


def watch_saves(hub: Mapping[str, Any], whole: str, complete: Complete) -> PushCheckpoints | None:
    """Return the callback that pushes every checkpoint with a file `whole`; None where none is asked for.

    `push_result` waits for it.

    Args:
        hub (`Mapping[str, Any]`): The section, with keys of HUB_KEYS.
        whole (`str`): A file that a checkpoint has once it is whole.
        complete (`Complete`): Called with the folder to be pushed and its step, to add to it.

    Returns:
        `PushCheckpoints | None`: The callback.
    """
    if not hub.get("repo_id") or not hub.get("every_save"):
        return None
    return PushCheckpoints(hub["repo_id"], whole=whole, complete=complete, wait=False, **_options(hub))


def wait_for_saves(pushing: PushCheckpoints | BackgroundPush | None) -> None:
    """Wait until every checkpoint has been pushed; report those that could not be.

    Args:
        pushing (`PushCheckpoints | BackgroundPush`, *optional*): The pushes; None where nothing is pushed.
    """
    failed = {} if pushing is None else pushing.close()
    if failed:
        logger.warning("the model is whole, but of its checkpoints these are not on the Hub: %s", ", ".join(failed))


def finish_saves(hub: Mapping[str, Any], work: Path, checkpoints: Path) -> None:
    """Push what a run still had to push when it was killed behind its last step; then `work` goes.

    Args:
        hub (`Mapping[str, Any]`): The section.
        work (`Path`): The folder of unfinished work.
        checkpoints (`Path`): The trainer's folder of checkpoints, within it.
    """
    if hub.get("repo_id") and (checkpoints / WAITING).exists():
        with Workspace(work):
            background = BackgroundPush(**_options(hub))
            background.resume(checkpoints, hub["repo_id"])
            wait_for_saves(background)


def push_result(output: Path, hub: Mapping[str, Any]) -> None:
    """Push the finished folder, where the section names a repository.

    Args:
        output (`Path`): The finished folder.
        hub (`Mapping[str, Any]`): The section, with keys of HUB_KEYS.

    Raises:
        InputError: it cannot be pushed; the folder stays as it is.
    """
    if not hub.get("repo_id"):
        return
    try:
        push_folder(
            output,
            logger,
            repo_id=hub["repo_id"],
            revision=hub.get("revision"),
            **_options(hub),
        )
    except InputError as error:
        raise InputError(
            f"the model is finished, and whole in {output}, but was not pushed: {error}. Type the "
            f"same command again, or push {output} {hub['repo_id']}"
        ) from error


def _options(hub: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that all pushes have in common."""
    return {"private": hub.get("private", True), "base_model": hub.get("base_model")}


def write_checkpoint_card(folder: Path, metadata: Mapping[str, Any], repository: str, step: int) -> None:
    """Write README.md of a checkpoint into the folder in which it waits to be pushed.

    Args:
        folder (`Path`): The folder.
        metadata (`Mapping[str, Any]`): Metadata of the card.
        repository (`str`): OWNER/NAME.
        step (`int`): Optimizer steps so far.
    """
    body = f"""
# {repository.partition("/")[2]}, after {step} steps

The weights after {step} steps of a training that was under way when they were pushed. The finished
model is on another branch once the training has ended. `trainer_state.json` has the curves so far.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{repository}", revision="step-{step}")
tokenizer = AutoTokenizer.from_pretrained("{repository}", revision="step-{step}")
```
"""
    (folder / CARD).unlink(missing_ok=True)  # a link, to peft's
    (folder / CARD).write_text(join_card(dict(metadata), body), "utf-8")
