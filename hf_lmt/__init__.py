"""LMT: one translation model for 60 languages in 234 directions (arXiv 2511.07003).

>>> from hf_lmt import language, match_directions
>>> language("kk").name, len(match_directions(["*-kk"]))
('Kazakh', 2)

Importing this package is quick; torch and the rest are imported when a function is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_lmt.data.corpora.load import load
    from hf_lmt.data.corpora.monolingual import load_monolingual
    from hf_lmt.data.corpora.sources import Source
    from hf_lmt.data.curation.curate import curate
    from hf_lmt.data.curation.curation_settings import steps_from
    from hf_lmt.data.curation.step import keeps
    from hf_lmt.data.inspection.inspect import inspect_rows
    from hf_lmt.data.method.auxiliary_sentences import AuxiliarySentences
    from hf_lmt.data.method.downsampling import StrategicDownsampling
    from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
    from hf_lmt.data.mixture import mix
    from hf_lmt.data.prepare.data_recipe import read_data_recipe
    from hf_lmt.data.prepare.prepare import prepare
    from hf_lmt.directions import (
        DIRECTIONS,
        PAIRS,
        Direction,
        is_reverse,
        match_directions,
        parse_direction,
    )
    from hf_lmt.evaluation.comet.comet import CometScorer
    from hf_lmt.evaluation.diagnosis.diagnose import diagnose
    from hf_lmt.evaluation.evaluate import evaluate
    from hf_lmt.evaluation.evaluation_folder import Evaluation, read_evaluation
    from hf_lmt.evaluation.metrics.aggregation import aggregate
    from hf_lmt.evaluation.metrics.behavior import behavior_rates
    from hf_lmt.evaluation.metrics.compute_metrics import make_compute_metrics
    from hf_lmt.evaluation.metrics.confidence import confidence_interval, paired_bootstrap
    from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
    from hf_lmt.evaluation.metrics.signatures import Score
    from hf_lmt.evaluation.modules import metric_path
    from hf_lmt.evaluation.report.write_report import write_report
    from hf_lmt.evaluation.sets.reference_results import reference_results
    from hf_lmt.languages import language
    from hf_lmt.registry import LANGUAGES, Language
    from hf_lmt.synthesis.synthesize import synthesize
    from hf_lmt.training.training import train
    from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
    from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
    from hf_lmt.translation.translator import Translator
    from hf_miwv.common.errors import InputError
    from hf_miwv.common.hub.push import push

_HOMES = {
    "AuxiliarySentences": "hf_lmt.data.method.auxiliary_sentences",
    "CometScorer": "hf_lmt.evaluation.comet.comet",
    "DIRECTIONS": "hf_lmt.directions",
    "DegenerationWatch": "hf_lmt.training.watching.degeneration_watch",
    "Direction": "hf_lmt.directions",
    "Evaluation": "hf_lmt.evaluation.evaluation_folder",
    "InputError": "hf_miwv.common.errors",
    "LANGUAGES": "hf_lmt.registry",
    "Language": "hf_lmt.registry",
    "PAIRS": "hf_lmt.directions",
    "ParallelMultilingualPrompting": "hf_lmt.data.method.multilingual_prompting",
    "Score": "hf_lmt.evaluation.metrics.signatures",
    "Source": "hf_lmt.data.corpora.sources",
    "StrategicDownsampling": "hf_lmt.data.method.downsampling",
    "TranslationEvaluationCallback": "hf_lmt.training.watching.evaluation_callback",
    "Translator": "hf_lmt.translation.translator",
    "aggregate": "hf_lmt.evaluation.metrics.aggregation",
    "behavior_rates": "hf_lmt.evaluation.metrics.behavior",
    "confidence_interval": "hf_lmt.evaluation.metrics.confidence",
    "corpus_scores": "hf_lmt.evaluation.metrics.corpus_scores",
    "curate": "hf_lmt.data.curation.curate",
    "diagnose": "hf_lmt.evaluation.diagnosis.diagnose",
    "evaluate": "hf_lmt.evaluation.evaluate",
    "inspect_rows": "hf_lmt.data.inspection.inspect",
    "is_reverse": "hf_lmt.directions",
    "keeps": "hf_lmt.data.curation.step",
    "language": "hf_lmt.languages",
    "load": "hf_lmt.data.corpora.load",
    "load_monolingual": "hf_lmt.data.corpora.monolingual",
    "make_compute_metrics": "hf_lmt.evaluation.metrics.compute_metrics",
    "match_directions": "hf_lmt.directions",
    "metric_path": "hf_lmt.evaluation.modules",
    "mix": "hf_lmt.data.mixture",
    "paired_bootstrap": "hf_lmt.evaluation.metrics.confidence",
    "parse_direction": "hf_lmt.directions",
    "prepare": "hf_lmt.data.prepare.prepare",
    "push": "hf_miwv.common.hub.push",
    "read_data_recipe": "hf_lmt.data.prepare.data_recipe",
    "read_evaluation": "hf_lmt.evaluation.evaluation_folder",
    "reference_results": "hf_lmt.evaluation.sets.reference_results",
    "steps_from": "hf_lmt.data.curation.curation_settings",
    "synthesize": "hf_lmt.synthesis.synthesize",
    "train": "hf_lmt.training.training",
    "write_report": "hf_lmt.evaluation.report.write_report",
}

__all__ = [
    "DIRECTIONS",
    "LANGUAGES",
    "PAIRS",
    "AuxiliarySentences",
    "CometScorer",
    "DegenerationWatch",
    "Direction",
    "Evaluation",
    "InputError",
    "Language",
    "ParallelMultilingualPrompting",
    "Score",
    "Source",
    "StrategicDownsampling",
    "TranslationEvaluationCallback",
    "Translator",
    "aggregate",
    "behavior_rates",
    "confidence_interval",
    "corpus_scores",
    "curate",
    "diagnose",
    "evaluate",
    "inspect_rows",
    "is_reverse",
    "keeps",
    "language",
    "load",
    "load_monolingual",
    "make_compute_metrics",
    "match_directions",
    "metric_path",
    "mix",
    "paired_bootstrap",
    "parse_direction",
    "prepare",
    "push",
    "read_data_recipe",
    "read_evaluation",
    "reference_results",
    "steps_from",
    "synthesize",
    "train",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hf_lmt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
