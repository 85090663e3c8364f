"""COMET over all directions of an evaluation at once: its model is loaded once, not 234 times."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hf_lmt.directions import Direction
from hf_lmt.evaluation.comet.comet import MODELS, CometScorer, comet_command
from hf_lmt.evaluation.comet.comet_environment import comet_environment, has_comet
from hf_lmt.evaluation.direction_scores import Task
from hf_lmt.evaluation.metrics.corpus_scores import Statistics, mean_statistics
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.hub_errors import hub_error

logger = logging.getLogger(__name__)

ENVIRONMENT = Path("~/.cache/hf-lmt/comet")
NO_COMET = "COMET is not installed; --install-comet does that, --comet-python points to it"


def find_comet(python: Path | None, install: bool) -> Path | None:
    """Return the Python of an environment with COMET; None where there is none, with a warning.

    Args:
        python: of such an environment; else it is looked for in ~/.cache/hf-lmt/comet, and made
            there with `install`.

    Raises:
        InputError: the Python that is given cannot import COMET, or the installation failed.
    """
    if python is not None:
        if not has_comet(python):
            raise InputError(
                f"--comet-python {python}: it is not there, or cannot import comet; "
                "give the Python of an environment with unbabel-comet"
            )
        return python
    try:
        return comet_environment(ENVIRONMENT.expanduser(), install)
    except InputError as error:
        if install:
            raise
        logger.warning("%s. To consent: --install-comet; another place: --comet-python", error)
        return None


def gate_of(metric: str) -> str | None:
    """Why the Hub does not give the metric's model to this user; None where it does, or is silent.

    Asked before hours of translating; a copy in the cache is enough.
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


def comet_statistics(metric: str, tasks: Sequence[Task], python: Path, workspace: Path) -> dict[Direction, Statistics]:
    """Compute a mean over sentences for each direction; a killed run goes on from its last 512 rows.

    Raises:
        InputError: as `comet.CometScorer.score`.
    """
    logger.info("scoring %s lines by %s", f"{sum(len(task.sources) for task in tasks):,}", metric)
    scorer = CometScorer(comet_command(python, metric))
    references = [text for task in tasks for text in task.references]
    scores = scorer.score(
        [text for task in tasks for text in task.sources],
        [text for task in tasks for text in task.hypotheses],
        references if MODELS[metric].references else None,
        workspace / metric,
    )
    statistics, start = {}, 0
    for task in tasks:
        values = scores.values[start : start + len(task.sources)]
        statistics[task.direction] = mean_statistics(metric, values, scores.signature)
        start += len(task.sources)
    return statistics
