"""The checkpoints of a training to the Hub while it runs: each as the revision step-N."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME

from hf_miwv.common.former_names import former_names, private_of
from hf_miwv.common.hub.background import BackgroundPush, forget
from hf_miwv.common.runs.json_text import json_text

Complete = Callable[[Path, int], None]


@former_names({"repository": "repo_id", "public": private_of})
class PushCheckpoints(TrainerCallback):
    """Push each checkpoint that a trainer saves as the revision step-N of a repository.

    In the background, one after the other. One that could not be pushed is tried again at each
    save, for as long as it is on the disk; a run that goes on after a kill goes on with its pushes,
    too. The end of the training, or `close`, waits for all of them.

    Args:
        repo_id (`str`): OWNER/NAME on the Hub.
        whole (`str`, *optional*, defaults to `"trainer_state.json"`): A file that a checkpoint has once
            it is whole.
        complete (`Callable[[Path, int], None]`, *optional*): Called with the folder to be pushed and its
            step, to add to it; as in `BackgroundPush.push_revision`.
        wait (`bool`, *optional*, defaults to `True`): Whether the end of the training waits; else
            `close` is to be called.
        **options (`Any`): Options of `push`, such as `private`.
    """

    def __init__(
        self,
        repo_id: str,
        *,
        whole: str = TRAINER_STATE_NAME,
        complete: Complete | None = None,
        wait: bool = True,
        **options: Any,
    ) -> None:
        """Set up the callback; nothing is pushed before the training begins."""
        self._repository, self._whole, self._complete = repo_id, whole, complete
        self._wait, self._options = wait, options
        self._background: BackgroundPush | None = None
        self._folder, self._steps = Path(), set[int]()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take up the pushes of a resumed training, or forget those of an earlier training."""
        if not state.is_world_process_zero:
            return
        self._folder = Path(args.output_dir)
        if state.global_step == 0:
            forget(self._folder)
            return
        self._pushes.resume(self._folder, self._repository)  # it goes on after a kill
        step_names = [path.name.rpartition("-")[2] for path in self._folder.glob("checkpoint-*")]
        steps = {int(step) for step in step_names if step.isdigit()}
        # A resumed training writes the later checkpoints anew: those on the disk are not of this run.
        self._steps = {step for step in steps if step <= state.global_step}
        self._push_all()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Push the new checkpoint, and any earlier one that did not arrive."""
        if state.is_world_process_zero:
            self._steps.add(state.global_step)
            self._push_all()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Wait for all pushes where `wait` is set."""
        if self._wait:
            self.close()

    def close(self) -> Mapping[str, Exception]:
        """Wait for all pushes.

        Returns:
            `Mapping[str, Exception]`: The revisions that did not arrive, and why.
        """
        if self._background is None:
            return {}
        self._background.wait()
        self._push_all()  # once more those that failed, where they are still here
        failed = self._background.close()
        self._background = None
        return failed

    @property
    def _pushes(self) -> BackgroundPush:
        if self._background is None:
            self._background = BackgroundPush(**self._options)
        return self._background

    def _push_all(self) -> None:
        """Push every whole checkpoint of this run that has not been pushed yet, the oldest first."""
        for step in sorted(self._steps):
            folder, revision = self._folder / f"checkpoint-{step}", f"step-{step}"
            if (folder / self._whole).exists() and not self._pushes.is_done(revision):
                complete = partial(self._finish, step=step)
                self._pushes.push_revision(folder, self._repository, revision, complete)

    def _finish(self, waiting: Path, step: int) -> None:
        _without_paths(waiting / TRAINER_STATE_NAME)
        if self._complete is not None:
            self._complete(waiting, step)


def _without_paths(state: Path) -> None:
    """Name the best checkpoint so far by its bare name, and not by its path on this machine."""
    if not state.is_file():
        return
    content = json.loads(state.read_text("utf-8"))
    if best := content.get("best_model_checkpoint"):
        state.unlink()  # a link
        changed = {**content, "best_model_checkpoint": Path(best).name}
        state.write_text(json_text(changed, indent=2, sort_keys=True) + "\n", "utf-8")
