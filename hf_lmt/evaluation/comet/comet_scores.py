"""COMET over all directions of an evaluation at once: its model is loaded once, not 234 times."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hf_lmt.comet.load_comet import fetch_comet, load_comet
from hf_lmt.directions import Direction
from hf_lmt.evaluation.comet.comet import MODELS, CometScorer, comet_command
from hf_lmt.evaluation.comet.comet_environment import comet_environment, has_comet
from hf_lmt.evaluation.comet.comet_in_process import score_in_process
from hf_lmt.evaluation.direction_scores import Task
from hf_lmt.evaluation.metrics.corpus_scores import Statistics, mean_statistics
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.hub_errors import hub_error

logger = logging.getLogger(__name__)

ENVIRONMENT = Path("~/.cache/hf-lmt/comet")


def find_comet(python: Path | None, install: bool) -> Path | None:
    """Find the Python that is to run unbabel-comet; None where our own models score in this process.

    Args:
        python (`Path`, *optional*): Of an environment with unbabel-comet.
        install (`bool`): Use the environment in ~/.cache/hf-lmt/comet, and make it if it is not there.

    Returns:
        `Path | None`: The Python, or None where neither is asked for.

    Raises:
        InputError: The Python cannot import COMET, or the installation failed.
    """
    if python is not None:
        if not has_comet(python):
            raise InputError(
                f"--comet-python {python}: it is not there, or cannot import comet; "
                "give the Python of an environment with unbabel-comet"
            )
        return python
    return comet_environment(ENVIRONMENT.expanduser(), consent=True) if install else None


def why_unavailable(metric: str, python: Path | None) -> str | None:
    """Say why a metric's model cannot be had here; None where it can.

    Asked before hours of translating. For our own models all files are brought here now; for
    unbabel-comet the Hub is asked whether the model is gated.

    Args:
        metric (`str`): One of MODELS.
        python (`Path`, *optional*): As `find_comet` returns it.

    Returns:
        `str | None`: The reason, or None.
    """
    if python is not None:
        return gate_of(metric)
    name = MODELS[metric].name
    try:
        fetch_comet(name)
    except InputError as error:
        return f"{error} (https://huggingface.co/{name})"
    return None


def gate_of(metric: str) -> str | None:
    """Say why the Hub does not give the metric's model to this user; None where it does, or is silent.

    A copy in the cache is enough.

    Args:
        metric (`str`): One of MODELS.

    Returns:
        `str | None`: The reason, or None.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError

    name = MODELS[metric].name
    try:
        snapshot_download(name, local_files_only=True)
    except Exception:  # the client raises many kinds; all of them mean that it is not here
        try:
            HfApi().auth_check(name)
        except GatedRepoError as error:
            return f"{hub_error('model', name, error)} (https://huggingface.co/{name})"
        except Exception as error:
            logger.debug("whether %s is gated is not known: %s", name, error)
    return None


def comet_statistics(
    metric: str, tasks: Sequence[Task], python: Path | None, dtype: str, workspace: Path
) -> dict[Direction, Statistics]:
    """Compute a mean over sentences for each direction; a killed run goes on from its last 512 rows.

    Args:
        metric (`str`): One of MODELS.
        tasks (`Sequence[Task]`): The directions.
        python (`Path`, *optional*): As `find_comet` returns it.
        dtype (`str`): Of the encoder of our own models.
        workspace (`Path`): A folder for unfinished work.

    Returns:
        `dict[Direction, Statistics]`: The statistics of each direction.

    Raises:
        InputError: As `comet.CometScorer.score` and `load_comet`.
    """
    logger.info("scoring %s lines by %s", f"{sum(len(task.sources) for task in tasks):,}", metric)
    sources = [text for task in tasks for text in task.sources]
    hypotheses = [text for task in tasks for text in task.hypotheses]
    references = [text for task in tasks for text in task.references] if MODELS[metric].references else None
    if python is None:
        model = load_comet(MODELS[metric].name, dtype=dtype)
        scores = score_in_process(model, sources, hypotheses, references, workspace / metric)
    else:
        scorer = CometScorer(comet_command(python, metric))
        scores = scorer.score(sources, hypotheses, references, workspace / metric)
    statistics, start = {}, 0
    for task in tasks:
        values = scores.values[start : start + len(task.sources)]
        statistics[task.direction] = mean_statistics(metric, values, scores.signature)
        start += len(task.sources)
    return statistics
