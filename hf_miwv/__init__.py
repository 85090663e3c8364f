"""MIWV: which few rows of an instruction data set would teach your own model most.

>>> from hf_miwv import score, select                                       # doctest: +SKIP
>>> scored = score(dataset, "Qwen/Qwen3-0.6B-Base", output="scored")        # doctest: +SKIP
>>> chosen = select(scored, fraction=0.01)                                  # doctest: +SKIP

High = weak = keep, says the paper: even with a worked example the model does badly on the row, so it teaches. Where
rows were planted to see, the highest were rows that the model knew and the example disturbed; `trial` compares.
Importing this package is quick; torch and the rest are imported when a function is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_miwv.callbacks.callbacks import MIWVDriftCallback, MIWVSelectionCallback
    from hf_miwv.common.errors import InputError
    from hf_miwv.common.hub.push import push
    from hf_miwv.common.hub.push_checkpoints import PushCheckpoints
    from hf_miwv.comparing.comparison import compare
    from hf_miwv.judging.answering import answer
    from hf_miwv.judging.judge_answers import judge_answers
    from hf_miwv.scoring.scoring import score
    from hf_miwv.selection.selection import select
    from hf_miwv.training.training import train
    from hf_miwv.transforms.attach_demonstration import AttachDemonstration
    from hf_miwv.transforms.measure_losses import MeasureLosses
    from hf_miwv.transforms.steps import ComputeMIWV, EmbedPrompts, RenderPrompts
    from hf_miwv.trials.trial import trial

_HOMES = {
    "AttachDemonstration": "hf_miwv.transforms.attach_demonstration",
    "ComputeMIWV": "hf_miwv.transforms.steps",
    "EmbedPrompts": "hf_miwv.transforms.steps",
    "InputError": "hf_miwv.common.errors",
    "MIWVDriftCallback": "hf_miwv.callbacks.callbacks",
    "MIWVSelectionCallback": "hf_miwv.callbacks.callbacks",
    "MeasureLosses": "hf_miwv.transforms.measure_losses",
    "RenderPrompts": "hf_miwv.transforms.steps",
    "PushCheckpoints": "hf_miwv.common.hub.push_checkpoints",
    "answer": "hf_miwv.judging.answering",
    "compare": "hf_miwv.comparing.comparison",
    "judge_answers": "hf_miwv.judging.judge_answers",
    "push": "hf_miwv.common.hub.push",
    "score": "hf_miwv.scoring.scoring",
    "select": "hf_miwv.selection.selection",
    "train": "hf_miwv.training.training",
    "trial": "hf_miwv.trials.trial",
}

__all__ = [
    "AttachDemonstration",
    "ComputeMIWV",
    "EmbedPrompts",
    "InputError",
    "MIWVDriftCallback",
    "MIWVSelectionCallback",
    "MeasureLosses",
    "PushCheckpoints",
    "RenderPrompts",
    "answer",
    "compare",
    "judge_answers",
    "push",
    "score",
    "select",
    "train",
    "trial",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hf_miwv' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
