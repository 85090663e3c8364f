"""The judge of AlpaGasus: its name and how it is asked, as arguments of `score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.models import load_model
from hf_miwv.judging.endpoint import completions_url, endpoint_judge
from hf_miwv.judging.local_model import model_judge
from hf_miwv.judging.rating_question import DIMENSION, rating_prompt_sha256
from hf_miwv.judging.verdicts import Judge
from hf_miwv.rows.schema import ALPAGASUS

RATING_TOKENS = 64  # of a reply, which is one line (ours)
NAMES = ("rating_judge", "rating_judge_model", "rating_dimension", "rating_request_fields")


@dataclass(frozen=True)
class RatingJudge:
    """Hold the judge and what it rates.

    Attributes:
        judge (`Judge`): The judge.
        dimension (`str`): What it rates, in a word or a few.
    """

    judge: Judge
    dimension: str

    @property
    def facts(self) -> dict[str, Any]:
        """Return the judge and the question, for run.json."""
        return {
            "judge": self.judge.description,
            "dimension": self.dimension,
            "prompt": {"sha256": rating_prompt_sha256()},
        }

    @property
    def identity(self) -> dict[str, Any]:
        """Return what the ratings depend on."""
        return {**self.facts, "judge": self.judge.identity}


def check_rating_judge(also: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Check the name of the judge and how it is to be asked, before anything is loaded.

    Args:
        also (`Sequence[str]`): As in `score`.
        settings (`Mapping[str, Any]`): Those of NAMES, as in `score`, where they are given.

    Raises:
        InputError: a judge is missing or named for nothing, its address cannot be used, or an argument is not for it.
    """
    named = [name for name in NAMES if settings.get(name) is not None]
    judge = settings.get("rating_judge")
    if ALPAGASUS not in also:
        if named:
            raise InputError(f"{_option(named[0])}: is for --also {ALPAGASUS}; give that, too, or leave it out")
        return
    if judge is None:
        raise InputError(
            f"--also {ALPAGASUS}: needs a judge that rates; give --rating-judge, the address of an OpenAI-compatible "
            "endpoint or a model"
        )
    dimension = settings.get("rating_dimension")
    if dimension is not None and not dimension.strip():
        raise InputError(f"--rating-dimension {dimension!r}: names nothing to rate; give a word, such as {DIMENSION}")
    if _is_endpoint(judge):
        completions_url(str(judge))
        if settings.get("rating_judge_model") is None:
            raise InputError(f"--rating-judge {judge}: give --rating-judge-model, the name of the model behind it")
        return
    for name in ("rating_judge_model", "rating_request_fields"):
        if name in named:
            raise InputError(f"{_option(name)}: is for an endpoint, and not for a model here; leave it out")


def open_rating_judge(settings: Mapping[str, Any]) -> RatingJudge:
    """Open the judge: an endpoint where its name is an address, else a model here.

    Args:
        settings (`Mapping[str, Any]`): The arguments of `score`, checked.

    Returns:
        `RatingJudge`: The judge.

    Raises:
        InputError: as `endpoint_judge`, or as `load_model` and `model_judge`.
    """
    judge, dimension = settings["rating_judge"], settings["rating_dimension"] or DIMENSION
    if isinstance(judge, (str, Path)):
        if _is_endpoint(judge):
            judge = endpoint_judge(
                str(judge),
                settings["rating_judge_model"],
                max_new_tokens=RATING_TOKENS,
                fields=settings["rating_request_fields"],
            )
        else:
            loaded = load_model(str(judge), device=settings["device"], trust_remote_code=settings["trust_remote_code"])
            judge = model_judge(loaded, max_new_tokens=RATING_TOKENS)
    return RatingJudge(judge, dimension)


def _is_endpoint(judge: Any) -> bool:
    return isinstance(judge, str) and judge.lower().startswith(("http://", "https://"))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
