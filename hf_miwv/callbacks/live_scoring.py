"""MIWV of a Trainer's rows with the model as it stands, without a trace in the training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from hf_miwv.callbacks.choice_file import read_neighbors, write_neighbors
from hf_miwv.callbacks.trainer_rows import TrainerRows
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.batch_tokens import default_batch_tokens
from hf_miwv.common.models.causality import check_causal
from hf_miwv.common.models.models import length_limit, load_embedder
from hf_miwv.common.models.rope import length_rule
from hf_miwv.common.models.vocabulary import check_tables
from hf_miwv.common.runs.fingerprints import model_fingerprint, token_fingerprint
from hf_miwv.common.runs.record import package_version
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.common.trainer.divided_weights import weights_divided_by
from hf_miwv.common.trainer.live_trainer import processes_of, undisturbed
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes, build_passes
from hf_miwv.losses.forest import TREE_TOKENS, grow_forest
from hf_miwv.losses.losses import ResponseLosses
from hf_miwv.losses.pass_losses import score_forest
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.neighbors.embedding import embed_rows
from hf_miwv.neighbors.exact import nearest_neighbors
from hf_miwv.neighbors.index import choose_search, indexed_neighbors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class LiveScores(NamedTuple):
    """Hold the losses of N rows in mean nats per response token, nan where a row has no score.

    Attributes:
        zero_shot (`np.ndarray`): (N,) L(y|x).
        one_shot (`np.ndarray`): (N,) L(y|x,C).
        seconds (`float`): Seconds that the scoring took.
    """

    zero_shot: np.ndarray
    one_shot: np.ndarray
    seconds: float

    @property
    def miwv(self) -> np.ndarray:
        """Return (N,) L(y|x,C) - L(y|x)."""
        return self.one_shot - self.zero_shot


class LiveScorer:
    """Score the rows of a trainer whenever it is called.

    The model runs in evaluation mode under the trainer's own mixed precision, with adapters and
    quantized weights as they are; modes, hooks and random states are put back. The neighbors do
    not depend on the model: they are found once, and kept in `output_dir`/NAME_neighbors.npz. What
    a killed run has scored lies in `output_dir`/NAME.work.

    Args:
        trainer (`transformers.Trainer`): The trainer.
        rows (`TrainerRows`): Its rows.
        embedder (`str | SentenceTransformer`): The model that the neighbors are searched with.
        name (`str`, *optional*, defaults to `"miwv"`): Beginning of the names of its files.
        max_length (`int`, *optional*): Tokens of a sequence, as in `length_limit`.
        batch_tokens (`int`, *optional*): Tokens of a forward pass; by default that of the device.

    Raises:
        InputError: a model that cannot be scored; see `check_model`.
    """

    def __init__(
        self,
        trainer: Any,
        rows: TrainerRows,
        embedder: str | SentenceTransformer,
        *,
        name: str = "miwv",
        max_length: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        check_model(trainer)
        table, tokenizer = rows.table, trainer.processing_class
        model = trainer.accelerator.unwrap_model(trainer.model)
        check_tables(model, tokenizer, [table.prompts, table.responses])
        self._trainer, self._rows, self._embedder = trainer, rows, embedder
        self._folder, self._name = Path(trainer.args.output_dir), name
        self._limit = length_limit(self.model, max_length)
        self._batch_tokens = batch_tokens or default_batch_tokens(trainer.args.device)
        self.processes = processes_of(trainer)
        self._progress = self.processes.first and not trainer.args.disable_tqdm
        self._searched: tuple[np.ndarray, Passes] | None = None
        with undisturbed(self.model):
            self._fingerprint = model_fingerprint(self.model)

    @property
    def model(self) -> Any:
        """Return the trainer's model without what data-parallel training puts around it."""
        return self._trainer.accelerator.unwrap_model(self._trainer.model)

    def identity(self) -> dict[str, Any]:
        """Return the facts that the scores of the untrained model depend on.

        Returns:
            `dict[str, Any]`: Each under the name that a user is told when it differs.
        """
        return {
            **self._neighbor_identity(),
            "model": self._fingerprint,
            "precision": str(self._trainer.accelerator.mixed_precision),
            "max length": self._limit,
            "hf_miwv": package_version(),
        }

    def __call__(self) -> LiveScores:
        """Compute both losses of every row, as the model stands; resume where a killed run stopped."""
        began = time.perf_counter()
        root = self._folder / f"{self._name}.work"
        with (
            undisturbed(self.model),
            Workspace(root / self.processes.name(), root) as workspace,
        ):
            workspace.claim({**self.identity(), **self._now()})
            neighbors, passes = self._searched = self._searched or self._search(workspace)
            with self._trainer.accelerator.autocast():
                losses = self._losses(passes, neighbors, workspace)
        zero_shot, one_shot = np.where(np.isfinite(losses), losses, np.nan).reshape(2, -1)
        return LiveScores(zero_shot, one_shot, time.perf_counter() - began)

    def _now(self) -> dict[str, Any]:
        """Return the state that changes in training; frozen weights are not read again, which may take minutes."""
        # The trained weights are part of the claim: scores of an earlier step must never be
        # taken for those of this one.
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        return {
            "batch tokens": self._batch_tokens,
            "trained weights": model_fingerprint(torch.nn.ParameterList(trained)),
        }

    def _losses(self, passes: Passes, neighbors: np.ndarray, workspace: Workspace) -> np.ndarray:
        forest = grow_forest(
            passes,
            neighbors,
            tree_tokens=min(TREE_TOKENS, self._batch_tokens),
            obstacle=branching_obstacle(self.model),
            rule=length_rule(self.model),
        )
        losses, _ = score_forest(self.model, forest, workspace, self._batch_tokens, self.processes, self._progress)
        return losses

    def _search(self, workspace: Workspace) -> tuple[np.ndarray, Passes]:
        """Return the nearest other row of each row, (N,), and the passes of all rows."""
        path = self._folder / f"{self._name}_neighbors.npz"
        identity = self._neighbor_identity()
        first = self.processes.first
        # All take the first one's answer: they must search together or not at all.
        neighbors = self.processes.agree(read_neighbors(path, identity) if first else None)
        if neighbors is None:
            neighbors = self._find_neighbors(workspace)
            if first:
                write_neighbors(path, identity, neighbors)
        table, prompts = self._rows.table, self._rows.prompts
        return neighbors, build_passes(table, neighbors, prompts, self._limit, self._progress)

    def _find_neighbors(self, workspace: Workspace) -> np.ndarray:
        embedder = Embedder(self._load_embedder())
        table, text, processes = self._rows.table, self._rows.prompts.prompt_text, self.processes
        vectors, _ = embed_rows(table.rows, embedder, text, workspace, processes, self._progress)
        if choose_search(len(vectors)) == "index":
            return indexed_neighbors(vectors)[0]
        share = -(-len(vectors) // processes.world)
        queries = range(len(vectors))[processes.rank * share : (processes.rank + 1) * share]
        nearest, _ = nearest_neighbors(vectors, device=embedder.model.device, queries=queries)
        return np.concatenate(processes.gather(nearest))

    def _load_embedder(self) -> SentenceTransformer:
        if not isinstance(self._embedder, str):
            return self._embedder
        return load_embedder(self._embedder, device=str(self._trainer.args.device))

    def _neighbor_identity(self) -> dict[str, Any]:
        table, embedder = self._rows.table, self._embedder
        fingerprint = embedder if isinstance(embedder, str) else model_fingerprint(embedder)
        return {
            "rows": token_fingerprint(table.prompts, table.responses),
            "template": self._rows.prompts.sha256,
            "embedder": fingerprint,
        }


def check_model(trainer: Any) -> None:
    """Check that a model can be scored as it stands in the training.

    Sharded weights (FSDP, DeepSpeed ZeRO-3, tensor parallel): each process scores its share of the
    rows and needs the whole model. Virtual tokens (prompt tuning): positions shift. No causal LM.

    Args:
        trainer (`transformers.Trainer`): The trainer.

    Raises:
        InputError: it cannot.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if divided_by := weights_divided_by(trainer):
        raise InputError(
            f"{divided_by} divides the model's weights over the processes, and a process cannot score rows with a "
            "part of them; choose the rows before training (hf-miwv select), or train with DDP, ZeRO-2 or on one "
            "device"
        )
    adapters = getattr(model, "peft_config", {}) or {}
    for name, adapter in adapters.items():
        if getattr(adapter, "is_prompt_learning", False):
            raise InputError(
                f"the adapter {name!r} puts virtual tokens before each row, which scoring does not "
                "know; use LoRA, or choose the rows before training (hf-miwv select)"
            )
    with undisturbed(model), trainer.accelerator.autocast(), ResponseLosses(model).ready():
        check_causal(model, model.config.name_or_path or type(model).__name__)
