"""The methods that rows can be chosen by: MIWV, and beside it well-known ones, from the same columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xxhash
from datasets import Dataset

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.results.length_matching import length_bins, shuffle_in_bins
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.rows.schema import (
    ALPAGASUS,
    ALSO_COLUMNS,
    FURTHER_COLUMNS,
    INFLUENCE,
    INFLUENCE_COLUMNS,
    REQUESTED_COLUMNS,
    SCORE_COLUMNS,
)

LOW = "_low"  # behind a method's name: its score times -1, so that its lowest come first
BLOCK = 1000  # rows read at a time


class Method(NamedTuple):
    """Describe a method.

    Attributes:
        label (`str`): Its name in titles.
        words (`str`): Its score in words.
        score (`Callable[[ScoreColumns], np.ndarray]`): That score from the columns, (N,) float64.
    """

    label: str
    words: str
    score: Callable[[ScoreColumns], np.ndarray]


def _ifd(columns: ScoreColumns) -> np.ndarray:
    # Above 1 the prompt makes the response less likely: such rows are taken for misaligned, and left out.
    ratio = _divide(columns.loss_zero_shot, _also(columns, "ifd"))
    return np.where(ratio <= 1, ratio, np.nan)


def _superfiltering(columns: ScoreColumns) -> np.ndarray:
    ratio = np.exp(columns.loss_zero_shot - _also(columns, "superfiltering"))
    return np.where(ratio < 1, ratio, np.nan)


def _nuggets(columns: ScoreColumns) -> np.ndarray:
    share = _requested(columns, "nuggets", "nuggets", "--also nuggets")
    gain = _requested(columns, "nuggets", "nuggets_gain", "--also nuggets")
    # Few anchors give few different shares, and row order must not decide between them: below 1e-6 the rank of the
    # gain does, which moves no share past another.
    ranks = np.searchsorted(np.sort(gain[np.isfinite(gain)]), gain)
    return share + 1e-6 * ranks / len(gain)


def _recost(columns: ScoreColumns) -> np.ndarray:
    gain = _requested(columns, "recost", "target_gain", "--demonstrations-from TARGET")
    # Imported here, because scipy takes long to import and most commands never come here.
    from scipy.stats import rankdata

    known = np.isfinite(gain) & np.isfinite(columns.loss_zero_shot) & (np.array(columns.status) == "ok")
    count = max(1, int(known.sum()))
    scores = np.full(len(gain), np.nan)
    of_loss, of_gain = rankdata(columns.loss_zero_shot[known]), rankdata(gain[known])
    # Sums of ranks are often equal, and row order must not decide between them: below the step between two sums the
    # rank of the gain does.
    scores[known] = (of_loss + of_gain) / (2 * count) + of_gain / (8 * count**2)
    return scores


KNOWN = {
    "miwv": Method(
        "MIWV",
        "L(y|x,C) − L(y|x), the one-shot less the zero-shot loss, in nats per response token (arXiv 2511.07074)",
        lambda columns: columns.miwv,
    ),
    "prompt_loss": Method(
        "one-shot loss",
        "L(y|x,C), the loss on the response with the worked example before the prompt, in nats "
        "per response token (the prompt loss of arXiv 2511.07074's ablation)",
        lambda columns: columns.loss_one_shot,
    ),
    "perplexity": Method(
        "perplexity",
        "L(y|x), the loss on the response given the prompt, in nats per response token: the "
        "natural logarithm of the perplexity",
        lambda columns: columns.loss_zero_shot,
    ),
    "ifd": Method(
        "IFD",
        "L(y|x) / L(y), the loss on the response given the prompt over that behind "
        "'### Response:' alone; rows above 1 have no score (arXiv 2308.12032)",
        _ifd,
    ),
    "superfiltering": Method(
        "Superfiltering",
        "exp(L(y|x) − L(y)), the perplexity of the response given the prompt over that of the "
        "response alone, meant to be measured with a small proxy model; rows of 1 and above have "
        "no score (arXiv 2402.00530)",
        _superfiltering,
    ),
    "influence": Method(
        "influence",
        "the mean of L(y|x) − L(y|x,C) over the rows whose worked example C this row is, what it saves them, in nats "
        "per response token; rows that are nobody's example have no score",
        lambda columns: _requested(columns, "influence", "influence", "--also influence"),
    ),
    "influence_diverse": Method(
        "diverse influence",
        "the mean of (1 − cosine) / 2 x (L(y|x) − L(y|x,C)) over the rows whose worked example C this row is, in nats "
        "per response token, after wICI (arXiv 2604.25132); rows that are nobody's example have no score",
        lambda columns: _requested(columns, "influence_diverse", "influence_diverse", "--also influence"),
    ),
    "target_gain": Method(
        "gain by the target",
        "L(y|x) − the mean of L(y|x,C) over the nearest rows C of a target set as worked examples, what they save the "
        "row, in nats per response token (after ICA, arXiv 2510.14459)",
        lambda columns: _requested(columns, "target_gain", "target_gain", "--demonstrations-from TARGET"),
    ),
    "recost": Method(
        "RECOST",
        "the mean of two ranks, from 0 for the lowest to 1: of L(y|x), and of what the nearest rows of a target set "
        "save of it as worked examples (after arXiv 2402.17355)",
        _recost,
    ),
    "kcenter": Method(
        "k-center",
        "the negative of the order in which k-center takes the rows, each the farthest from all before it, by the "
        "mean of the last hidden states over prompt and response (one round of DiverseEvol, arXiv 2311.08182)",
        lambda columns: -_requested(columns, "kcenter", "kcenter_rank", "--also kcenter"),
    ),
    "selectit": Method(
        "SelectIT",
        "the rating from 1 to 5 that the model finds likeliest, times the mean distance of the other ratings' "
        "probabilities from its own, by one rating prompt (arXiv 2402.16705, token level)",
        lambda columns: _requested(columns, "selectit", "selectit", "--also selectit"),
    ),
    "selectit_sentence": Method(
        "SelectIT over five prompts",
        "the mean of SelectIT's ratings by five prompts / (1 + 0.2 x their standard deviation) (arXiv 2402.16705, "
        "sentence level)",
        lambda columns: _requested(columns, "selectit_sentence", "selectit_sentence", "--also selectit_sentence"),
    ),
    "nuggets": Method(
        "Nuggets",
        "the share of anchor rows whose response is likelier with this row as a worked example (arXiv 2312.10302); of "
        "equal shares the one that saves them more nats",
        _nuggets,
    ),
    "deita": Method(
        "Deita",
        "the sum over the row's exchanges of the complexity of the instruction x the quality of the answer, each from "
        "1 to 6 by a scorer (arXiv 2312.15685)",
        lambda columns: _requested(columns, "deita", "deita", "--also deita"),
    ),
    "alpagasus": Method(
        "AlpaGasus",
        "a judge's rating of the response from 0 to 5, and up to a millionth by a hash of the row's content, so that "
        "equal ratings go by chance (arXiv 2307.08701)",
        lambda columns: _requested(columns, "alpagasus", "alpagasus", "--also alpagasus"),
    ),
    "length": Method(
        "response length",
        "the tokens of the response",
        lambda columns: columns.response_tokens.astype(np.float64),
    ),
}
TARGET_METHODS = ("target_gain", "recost")  # with columns that a target set adds
RANDOM = "random"
RANDOM_BY_LENGTH = "random_by_length"
RANDOM_LABELS = {RANDOM: "random draw", RANDOM_BY_LENGTH: "random draw of the same lengths"}
METHODS: tuple[str, ...] = (*KNOWN, RANDOM, RANDOM_BY_LENGTH, *(f"{name}{LOW}" for name in KNOWN))


def method_scores(
    dataset: Dataset,
    method: str,
    seed: int = 0,
    *,
    like: str = "miwv",
    left_out: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
) -> np.ndarray:
    """Score each row by a method: (N,) float64, nan where it has none; higher is kept.

    With x the prompt, y the response, C the neighbor as a worked example and L a mean over the
    response tokens, in nats, of the model that the rows were scored with:

    - `miwv`: L(y|x,C) - L(y|x) (arXiv 2511.07074).
    - `prompt_loss`: L(y|x,C), the ablation of that paper.
    - `perplexity`: L(y|x), which is log(perplexity) and gives the same order.
    - `ifd`: L(y|x) / L(y behind "### Response:"); no score above 1 (Cherry_LLM, arXiv 2308.12032,
      and its data_by_IFD.py). Needs `hf-miwv score --also ifd`.
    - `superfiltering`: exp(L(y|x) - L(y behind nothing)); no score from 1 on (arXiv 2402.00530 and
      its select_data.py). For rows that were scored with a small proxy model, such as GPT-2 in
      that paper, instead of the model to be tuned. Needs `hf-miwv score --also superfiltering`.
    - `influence`: the mean of L(y|x) - L(y|x,C) over the rows that have this row as C: MIWV's other end, high =
      its example helps others; no score where it is nobody's. Needs `hf-miwv score --also influence`, which
      runs nothing more, or `--neighbors K` with K above 1.
    - `influence_diverse`: the same with each difference weighted by (1 - cosine) / 2, after wICI (arXiv
      2604.25132), whose difference is one of IFDs.
    - `target_gain`: L(y|x) - mean of L(y|x,C) over the K nearest rows C of a target set, high = the target's
      examples help = keep (ICA, arXiv 2510.14459). Needs `hf-miwv score --demonstrations-from TARGET`.
    - `recost`: (rank of L(y|x) + rank of `target_gain`) / 2N, the lowest first, ties averaged: high where the model
      finds the response unlikely and examples of an external pool make it likelier, so that what stays unlikely
      with knowledge is taken for dirty (RECOST, arXiv 2402.17355: predictive entropy with and without retrieved
      knowledge, their ranks combined). How it combines them was not found: equal weights, and the difference of the
      two losses for the second rank, are ours, and so is knowledge one example at a time, the mean over the K
      nearest (five there). Ranks are over all rows with a score. Needs `hf-miwv score --demonstrations-from POOL`,
      K passes more. `select` takes rows apart out of a window that slides down this ranking, see
      `hf_miwv.selection.window_sampling`.
    - `kcenter`: -rank in the order of greedy k-center on the mean last hidden state (DiverseEvol, arXiv 2311.08182:
      one round, and no tuning between). Needs `hf-miwv score --also kcenter`, which runs nothing more.
    - `selectit`, `selectit_sentence`: the model's own rating (arXiv 2402.16705), see
      `hf_miwv.scoring.self_ratings`. Needs `hf-miwv score --also selectit`, one pass more over the rows, or
      `--also selectit_sentence`, five.
    - `nuggets`: the share of anchors that the row helps (arXiv 2312.10302), see `hf_miwv.scoring.anchor_scores`.
      Needs `hf-miwv score --also nuggets`, up to nine passes more over the rows.
    - `deita`: the sum over the row's exchanges of complexity x quality (arXiv 2312.15685), see
      `hf_miwv.scoring.scorer_ratings`. Needs `hf-miwv score --also deita` with two scorers, each one pass more over
      the rows with its own model. `select` passes over rows too close to one chosen before, see
      `hf_miwv.selection.method_defaults`.
    - `alpagasus`: a judge's rating of the response from 0 to 5 (arXiv 2307.08701), see
      `hf_miwv.judging.rate_responses`. Ratings are few different numbers, and row order must not decide between
      equal ones: below 1e-6 a hash of the row's key does (ours). Needs `hf-miwv score --also alpagasus` with a judge,
      one answer a row. `select` keeps from 4.5 up where no other limit is given, as the paper.
    - `length`: response tokens.
    - `random`: uniform in [0, 1), from a hash of the seed and the row's key (see `row_keys`), so
      that neither the order of the rows nor our columns matter.
    - `random_by_length`: the scores of the method `like`, dealt out by such a hash among the rows of the same
      quantile bin of response tokens (see `hf_miwv.results.length_matching`), so that the k highest are a random
      choice with the lengths of that method's k highest, for every k. A control of ours.
    - any but the random ones with `_low` behind it: its score times -1.

    A row whose miwv_status is not "ok" has no score by any method, so that all choose from the
    same rows.

    Args:
        dataset (`Dataset`): N scored rows.
        method (`str`): One of METHODS.
        seed (`int`, *optional*, defaults to 0): Seed of the random methods.
        like (`str`, *optional*, defaults to `"miwv"`): The method whose lengths "random_by_length" has.
        left_out (`np.ndarray`, *optional*): (N,) bool, rows that have no score by any method.
        groups (`Sequence[str]`, *optional*): (N,) names: "random_by_length" deals out within these, too.

    Returns:
        `np.ndarray`: (N,) float64.

    Raises:
        InputError: an unknown method, columns that are missing, a seed below 0.
    """
    check_method(method, seed)
    columns = ScoreColumns.from_dataset(dataset)
    # All methods choose from the same rows, so that a comparison shows the method alone.
    usable = np.array(columns.status) == "ok"
    if left_out is not None:
        usable &= ~left_out
    if method == RANDOM:
        scores = _uniform(row_keys(dataset), f"{seed}")
    elif method == RANDOM_BY_LENGTH:
        reference = method_scores(dataset, like, seed, left_out=left_out)
        bins = length_bins(columns.response_tokens, usable)
        if groups is not None:
            bins = np.unique([bins, np.unique(groups, return_inverse=True)[1]], axis=1, return_inverse=True)[1]
        # Under a name of its own: the draws of "random" would take and leave the same rows.
        scores = shuffle_in_bins(reference, bins, usable, _uniform(row_keys(dataset), f"{RANDOM_BY_LENGTH} {seed}"))
    else:
        scores = KNOWN[method.removesuffix(LOW)].score(columns)
        scores = -scores if method.endswith(LOW) else scores
        if method.removesuffix(LOW) == ALPAGASUS:
            scores = scores + 1e-6 * _uniform(row_keys(dataset), ALPAGASUS)
    return np.where(usable & np.isfinite(scores), scores, np.nan)


def check_method(method: str, seed: int = 0, like: str | None = None) -> None:
    """Check the name of a method, its seed, and the method whose lengths it is to have.

    Args:
        method (`str`): The name.
        seed (`int`, *optional*, defaults to 0): Seed of the random methods.
        like (`str`, *optional*): The other method, for "random_by_length".

    Raises:
        InputError: an unknown method, a seed below 0, or another method where it has no meaning.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is not one of ours: {did_you_mean(method, METHODS)}")
    if seed < 0:
        raise InputError(f"seed {seed}: give 0 or more")
    if like is None:
        return
    if method != RANDOM_BY_LENGTH:
        raise InputError(f"like {like!r}: is for the method {RANDOM_BY_LENGTH}, and not for {method}; leave it out")
    known = [name for name in METHODS if name not in RANDOM_LABELS]
    if like not in known:
        raise InputError(f"like {like!r} is no method whose lengths a choice can have: {did_you_mean(like, known)}")


def needed_columns(method: str, like: str | None = None) -> tuple[str, ...]:
    """List the losses that `hf-miwv score --also` has to add for this method, if any.

    Args:
        method (`str`): One of METHODS.
        like (`str`, *optional*): The method whose lengths "random_by_length" has.

    Returns:
        `tuple[str, ...]`: Values of `--also`.
    """
    name = (like or method).removesuffix(LOW)
    if name in INFLUENCE_COLUMNS:
        return (INFLUENCE,)
    return (name,) if name in (*ALSO_COLUMNS, *FURTHER_COLUMNS) else ()


def method_label(method: str) -> str:
    """Return the method's name in titles.

    Args:
        method (`str`): One of METHODS.

    Returns:
        `str`: The name.

    >>> method_label("ifd"), method_label("miwv_low"), method_label("random")
    ('IFD', 'lowest MIWV', 'random draw')
    """
    if method in RANDOM_LABELS:
        return RANDOM_LABELS[method]
    label = KNOWN[method.removesuffix(LOW)].label
    return f"lowest {label}" if method.endswith(LOW) else label


def method_words(method: str, seed: int = 0, like: str | None = None) -> str:
    """Describe the method's score in words, and which end of it comes first.

    Args:
        method (`str`): One of METHODS.
        seed (`int`, *optional*, defaults to 0): Seed of the random methods.
        like (`str`, *optional*): The method whose lengths "random_by_length" has; by default MIWV.

    Returns:
        `str`: The words.
    """
    if method == RANDOM:
        return f"a number in [0, 1) from a hash of the seed {seed} and the row's content"
    if method == RANDOM_BY_LENGTH:
        return (
            f"the scores by {method_label(like or 'miwv')}, dealt out by a hash of the seed {seed} and the row's "
            "content among the rows of the same quantile bin of response tokens: a random choice of the same lengths"
        )
    words = KNOWN[method.removesuffix(LOW)].words
    if method.endswith(LOW):
        return f"the negative of {words}; so the lowest come first"
    return f"{words}; the highest come first"


def row_keys(dataset: Dataset) -> list[bytes]:
    """Digest each row's own columns: xxh3 of (occurrence, content).

    The content is the row as JSON with sorted names, without the columns that scoring adds;
    occurrence counts the rows of the same content before it, so that copies have keys of their
    own. The same rows in another order have the same keys.

    Args:
        dataset (`Dataset`): N rows.

    Returns:
        `list[bytes]`: N digests of 16 bytes.
    """
    seen: Counter[bytes] = Counter()
    keys = []
    for row in _rows_without_scores(dataset):
        text = json.dumps(row, sort_keys=True, default=repr).encode()
        content = xxhash.xxh3_128_digest(text)
        # Copies get different keys, so that a random choice may take one without the other.
        keys.append(xxhash.xxh3_128_digest(f"{seen[content]} ".encode() + text))
        seen[content] += 1
    return keys


def _rows_without_scores(dataset: Dataset) -> Iterator[dict[str, Any]]:
    ours = {*SCORE_COLUMNS, *REQUESTED_COLUMNS}
    data_columns = dataset.select_columns([name for name in dataset.column_names if name not in ours])
    arrow = data_columns.with_format("arrow")
    for start in range(0, len(data_columns), BLOCK):
        yield from arrow[start : start + BLOCK].to_pylist()


def _uniform(keys: list[bytes], name: str) -> np.ndarray:
    """Return (N,) numbers in [0, 1): the upper 53 bits of a hash under this name, all that a float64 holds."""
    hashes = (xxhash.xxh3_64_intdigest(f"{name} ".encode() + key) >> 11 for key in keys)
    return np.fromiter(hashes, np.float64, len(keys)) * 2.0**-53


def _also(columns: ScoreColumns, method: str) -> np.ndarray:
    return _requested(columns, method, ALSO_COLUMNS[method], f"--also {method}")


def _requested(columns: ScoreColumns, method: str, name: str, option: str) -> np.ndarray:
    values = getattr(columns, name)
    if values is None:
        raise InputError(
            f"method {method!r} needs the column {name}, which these rows lack; "
            f"score them with `hf-miwv score {option}`"
        )
    return values


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; nan where the denominator is not above 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
