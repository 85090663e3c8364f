"""The two scorers of Deita: names and files of prompts in, ratings of all rows out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.utils.memory import clear_device_cache

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.models import LoadedModel, length_limit, load_model
from hf_miwv.common.models.rope import length_rule
from hf_miwv.common.models.vocabulary import check_ids
from hf_miwv.common.runs.fingerprints import model_fingerprint
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.forest import TREE_TOKENS, grow_forest
from hf_miwv.losses.pass_losses import score_forest
from hf_miwv.rows.exchanges import Exchange, exchanges_of
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import DEITA
from hf_miwv.scoring.scorer_ratings import (
    COMPLEXITY_PROMPT,
    QUALITY_PROMPT,
    RATINGS,
    exchange_scores,
    expected_ratings,
    rating_tokens,
    scorer_passes,
)

PUBLISHED = "hkust-nlp/deita-complexity-scorer and hkust-nlp/deita-quality-scorer"
PROMPTS = {"complexity": COMPLEXITY_PROMPT, "quality": QUALITY_PROMPT}


@dataclass(frozen=True)
class Scorer:
    """Describe a model that rates, which is loaded when its turn comes and not kept.

    Attributes:
        prompt (`str`): What it is asked, with placeholders.
        load (`Callable[[], LoadedModel]`): Loads it.
        facts (`Mapping[str, Any]`): For run.json: source, revision, fingerprint, prompt.
    """

    prompt: str
    load: Callable[[], LoadedModel]
    facts: Mapping[str, Any]

    @property
    def identity(self) -> dict[str, str]:
        """Return what its ratings depend on."""
        return {"model": self.facts["fingerprint"], "prompt": hashlib.sha256(self.prompt.encode()).hexdigest()}


def check_scorers(also: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Check the names of the scorers and the files of their prompts, before anything is loaded.

    Args:
        also (`Sequence[str]`): As in `score`.
        settings (`Mapping[str, Any]`): `complexity_scorer`, `quality_scorer`, `complexity_prompt` and
            `quality_prompt`, as in `score`, where they are given.

    Raises:
        InputError: a scorer is missing, or named for nothing, or a prompt cannot be used.
    """
    names = [f"{kind}_{part}" for kind in PROMPTS for part in ("scorer", "prompt")]
    named = [name for name in names if settings.get(name) is not None]
    if DEITA not in also:
        if named:
            raise InputError(f"{_option(named[0])}: is for --also {DEITA}; give that, too, or leave it out")
        return
    missing = [_option(name) for name in names if name.endswith("scorer") and name not in named]
    if missing:
        raise InputError(
            f"--also {DEITA}: needs two models that were tuned to rate; give {' and '.join(missing)} (the paper's are "
            f"{PUBLISHED})"
        )
    for kind in PROMPTS:
        read_prompt(kind, settings.get(f"{kind}_prompt"))


def prompt_identity(also: Sequence[str], settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what the words of the prompts add to a run's identity: the names of their files are not enough.

    Args:
        also (`Sequence[str]`): As in `score`.
        settings (`Mapping[str, Any]`): As in `check_scorers`.

    Returns:
        `dict[str, str]`: The prompts by the names that a user is told; empty without "deita".
    """
    if DEITA not in also:
        return {}
    return {f"{kind} prompt": read_prompt(kind, settings.get(f"{kind}_prompt")) for kind in PROMPTS}


def read_prompt(kind: str, path: str | Path | None) -> str:
    """Read the prompt of a scorer from a file.

    Args:
        kind (`str`): "complexity" or "quality".
        path (`str | Path`, *optional*): A UTF-8 text with {instruction} and, for quality, {output}; one line end at
            its end does not belong to the prompt. By default a prompt of ours.

    Returns:
        `str`: The prompt.

    Raises:
        InputError: no such file, no such text, or placeholders are missing or stand at the end.
    """
    if path is None:
        return PROMPTS[kind]
    option = _option(f"{kind}_prompt")
    try:
        prompt = Path(path).expanduser().read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{option} {path}: cannot be read as a text ({error}); give a UTF-8 file") from error
    wanted = ["{instruction}"] if kind == "complexity" else ["{instruction}", "{output}"]
    for placeholder in wanted:
        if placeholder not in prompt:
            raise InputError(
                f"{option} {path}: has no {placeholder}, the place of the row's text; write {' and '.join(wanted)} "
                "into it"
            )
    if kind == "complexity" and "{output}" in prompt:
        raise InputError(f"{option} {path}: has {{output}}, but the instruction alone is rated; take it out")
    if prompt.endswith(tuple(wanted)):
        raise InputError(
            f"{option} {path}: ends in a placeholder, so that the rating would be read as a part of the row's text; "
            "end it as the scorer's own prompt ends"
        )
    return prompt


def open_scorers(settings: Mapping[str, Any]) -> dict[str, Scorer]:
    """Load each scorer once, one after the other, to see that it can rate and what its weights are.

    Neither stays in memory: it is loaded again when it rates, so that memory has to hold MODEL and the larger of the
    two, and not all three.

    Args:
        settings (`Mapping[str, Any]`): The arguments of `score`, checked.

    Returns:
        `dict[str, Scorer]`: "complexity" and "quality".

    Raises:
        InputError: as `load_model`, or a tokenizer that cannot tell the ratings apart.
    """
    scorers = {}
    for kind in PROMPTS:
        name = str(settings[f"{kind}_scorer"])
        prompt = read_prompt(kind, settings[f"{kind}_prompt"])

        def load(name: str = name) -> LoadedModel:
            return load_model(
                name,
                attn_implementation=settings["attn_implementation"],
                device=settings["device"],
                trust_remote_code=settings["trust_remote_code"],
            )

        loaded = load()
        for tokens in rating_tokens(prompt, loaded.tokenizer):
            check_ids(loaded.model, loaded.tokenizer, tokens, f"the ratings of the {kind} scorer")
        scorers[kind] = Scorer(
            prompt,
            load,
            {
                "source": loaded.model.name_or_path or None,
                "revision": loaded.revision,
                "dtype": str(loaded.model.dtype).removeprefix("torch."),
                "fingerprint": model_fingerprint(loaded.model),
                "prompt": prompt,
            },
        )
        del loaded
        clear_device_cache(garbage_collection=True)
    return scorers


def rate_rows(
    rows: Rows,
    scorers: Mapping[str, Scorer],
    workspace: Workspace,
    *,
    batch_tokens: int,
    processes: Processes,
    progress: bool,
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Let both scorers rate all exchanges of all rows, one scorer after the other.

    Args:
        rows (`Rows`): N rows.
        scorers (`Mapping[str, Scorer]`): "complexity" and "quality".
        workspace (`Workspace`): Holds the finished parts of a run that was killed.
        batch_tokens (`int`): Tokens of a forward pass, at most.
        processes (`Processes`): The processes at this job.
        progress (`bool`): Show bars.

    Returns:
        `tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]`: The columns of `exchange_scores`, and the counts of
        the stages `deita_complexity` and `deita_quality`.
    """
    exchanges: list[Exchange] = []
    numbers: list[int] = []
    index = 0
    for block in rows.blocks():
        for example in block:
            parts = exchanges_of(example)
            exchanges += parts
            numbers += [index] * len(parts)
            index += 1
    ratings, stages = {}, {}
    for kind, scorer in scorers.items():
        name = f"{DEITA}_{kind}"
        ratings[kind], stages[name] = _rate_exchanges(
            name, exchanges, numbers, scorer, workspace, batch_tokens, processes, progress
        )
        stages[name] = {"exchanges": len(exchanges), **stages[name]}
    return exchange_scores(ratings["complexity"], ratings["quality"], numbers, len(rows)), stages


def _rate_exchanges(
    name: str,
    exchanges: Sequence[Exchange],
    rows: Sequence[int],
    scorer: Scorer,
    workspace: Workspace,
    batch_tokens: int,
    processes: Processes,
    progress: bool,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return (M,) ratings from 1 to 6, nan where there is none; a stage with a journal inside the workspace."""
    ratings, totals = workspace.read_array(f"{name}.npy"), workspace.read_json(f"{name}.json")
    ready = all(processes.gather(ratings is not None and totals is not None))
    if ratings is None or totals is None or not ready:  # all rate, or none: they do it together
        loaded = scorer.load()
        model = loaded.model
        passes = scorer_passes(exchanges, rows, scorer.prompt, loaded.tokenizer, length_limit(model, None))
        forest = grow_forest(
            passes,
            passes.trunk_numbers(),
            tree_tokens=min(TREE_TOKENS, batch_tokens),
            obstacle=branching_obstacle(model),
            rule=length_rule(model),
        )
        with Workspace(workspace.folder / name) as stage_workspace:
            losses, counts = score_forest(model, forest, stage_workspace, batch_tokens, processes, progress)
        totals = {**counts, "reuse": dict(sorted(forest.reuse.items()))}
        ratings = expected_ratings(losses[len(exchanges) :].reshape(-1, len(RATINGS)), passes.shared.lengths)
        workspace.write_array(f"{name}.npy", ratings)
        workspace.write_json(f"{name}.json", totals)
        del loaded, model
        clear_device_cache(garbage_collection=True)
    return ratings, totals


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
