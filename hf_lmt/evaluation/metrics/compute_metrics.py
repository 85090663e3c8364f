"""`compute_metrics` for a `Seq2SeqTrainer` that generates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hf_lmt.evaluation.metrics.corpus_scores import DEFAULT_METRICS, check_metrics, corpus_scores
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names

logger = logging.getLogger(__name__)

NO_TRANSLATIONS = (
    "compute_metrics was handed {what} instead of generated translations: the choices of a model "
    "that reads the reference as it goes say nothing about what it would write. With a "
    "Seq2SeqTrainer, give its arguments predict_with_generate=True; to train a causal LM, as LMT "
    "is, add hf_lmt's TranslationEvaluationCallback to the trainer instead"
)


@former_names({"target": "tgt_lang"})
def make_compute_metrics(
    tokenizer: Any, tgt_lang: str, metrics: Sequence[str] = DEFAULT_METRICS
) -> Callable[[Any], dict[str, float]]:
    """Make a function for `Seq2SeqTrainer(compute_metrics=...)`, with `predict_with_generate=True`.

    It decodes the generated ids and the labels (-100 is padding) and returns `corpus_scores` of them,
    so the evaluation set must be of one target language. Scores that cannot be had are warned of
    and left out.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model.
        tgt_lang (`str`): Code of the language translated into.
        metrics (`Sequence[str]`, *optional*, defaults to `DEFAULT_METRICS`): As in `corpus_scores`.

    Returns:
        `Callable[[Any], dict[str, float]]`: Predictions with labels -> metric -> score.

    Raises:
        InputError: The language or a metric is unknown, or sacreBLEU is not installed; when called, the
            predictions are logits, as of a causal LM or without `predict_with_generate`.
    """
    language(tgt_lang)
    names = check_metrics(metrics)

    def compute_metrics(prediction: Any) -> dict[str, float]:
        ids = _token_ids(prediction.predictions)
        hypotheses, references = (
            _texts(tokenizer, token_ids) for token_ids in (ids, np.asarray(prediction.label_ids))
        )
        scores = corpus_scores(hypotheses, references, tgt_lang, names)
        for name, score in scores.items():
            if score.unavailable:
                logger.warning("%s: %s", name, score.unavailable)
        return {name: score.value for name, score in scores.items() if score.value is not None}

    return compute_metrics


def _token_ids(predictions: Any) -> np.ndarray:
    if isinstance(predictions, (tuple, list)):
        raise InputError(NO_TRANSLATIONS.format(what="several arrays, a model's raw output,"))
    array = np.asarray(predictions)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        description = f"an array of shape {array.shape} and type {array.dtype} (logits?)"
        raise InputError(NO_TRANSLATIONS.format(what=description))
    return array


def _texts(tokenizer: Any, ids: np.ndarray) -> list[str]:
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    texts = tokenizer.batch_decode(np.where(ids < 0, padding, ids), skip_special_tokens=True)
    return [text.strip() for text in texts]
