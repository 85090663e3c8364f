"""Which metric can judge which language here, and if not, why and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hf_lmt.languages import language
from hf_miwv.common.extras import need

COMET_METRICS = ("comet-22", "cometkiwi", "xcomet")
SPBLEU_MODEL = "flores200sacrebleuspm"
MODULES = {"ja-mecab": "MeCab", "ko-mecab": "mecab_ko"}


def check_scorer_installed(metrics: Sequence[str]) -> None:
    """Check that sacreBLEU is installed where these metrics need it.

    Called before a model is loaded or trained: hours later the message would come too late.

    Args:
        metrics (`Sequence[str]`): Those that sacreBLEU counts, such as "chrf++"; with none, nothing is lacking.

    Raises:
        InputError: it is missing; the message has the line that installs it.
    """
    if metrics:
        need("evaluate", " and ".join(metrics), "sacrebleu")


def why_not_judgeable(metric: str, target: str) -> str | None:
    """Say why a metric cannot give a score for translations into a language.

    spBLEU cuts text into the pieces of FLORES-200's SentencePiece model, and is without a judgment
    where FLORES-200 lacks the language or the model is not on this machine: nothing is downloaded.
    TER counts edits of words, which text without blanks between words does not show; sacreBLEU can
    take Chinese characters and kana one by one, but not Thai, Lao, Khmer, Burmese and Tibetan. BLEU
    into Japanese and Korean needs their MeCab.

    Args:
        metric (`str`): Name of the metric.
        target (`str`): Code of the language.

    Returns:
        `str | None`: The reason, with what can be done; None where it can.

    Raises:
        InputError: the language is unknown.
    """
    target_language = language(target)
    if metric == "spbleu":
        return _spbleu_obstacle(target_language.name, target_language.flores200 is None)
    if metric == "ter" and target_language.sacrebleu_tokenizer == "char":
        return f"TER counts words, and {target_language.name} has no blanks between them; chrf++ can judge it"
    segmenter = MODULES.get(target_language.sacrebleu_tokenizer) if metric == "bleu" else None
    if segmenter is not None and find_spec(segmenter) is None:
        return (
            f"BLEU into {target_language.name} needs a segmenter that is not installed: "
            "pip install 'hf-miwv-lmt[evaluate]'"
        )
    return None


def why_unreliable(metric: str, target: str) -> str | None:
    """Say why a COMET score for translations into a language says little.

    COMET reads text with XLM-R. Of LMT's languages XLM-R has not seen bo, mvf, tg and yue
    (`Language.comet`); their scores are marked, and no mean takes them in silence.

    Args:
        metric (`str`): Name of the metric.
        target (`str`): Code of the language.

    Returns:
        `str | None`: The reason; None where it says as much as elsewhere, and for other metrics.

    Raises:
        InputError: the language is unknown.
    """
    target_language = language(target)
    if metric in COMET_METRICS and target_language.comet == "unreliable":
        return f"COMET is unreliable into {target_language.name}: XLM-R was not trained on it"
    return None


def _spbleu_obstacle(name: str, unknown: bool) -> str | None:
    from sacrebleu.utils import SACREBLEU_DIR

    model = Path(SACREBLEU_DIR) / "models" / SPBLEU_MODEL
    if unknown:
        return f"spBLEU's pieces were learned on FLORES-200, which has no {name}; take chrf++"
    if find_spec("sentencepiece") is None:
        return "spBLEU needs sentencepiece: pip install 'hf-miwv-lmt[evaluate]'"
    if not model.exists():
        return (
            f"spBLEU needs its SentencePiece model, once: mkdir -p {model.parent} && "
            f"curl -L https://tinyurl.com/{SPBLEU_MODEL} -o {model}"
        )
    return None
