"""The words of the data set card for statuses, flags, columns, correlations and lengths."""

from __future__ import annotations

from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import NOT_RECORDED
from hf_miwv.results.scored_record import LengthComparison

SEEN_OF_MIWV = (  # measured by benchmarks/planted.py
    "Where rows were planted to see (a model of 135M parameters, made-up tasks, five seeds), the highest scores went "
    "to rows that the model knew already and that the example disturbed, and training on them taught a new task less "
    "than random rows did: compare with a random choice, as `hf-miwv trial` does, before you rely on it."
)
STATUS_WORDS = {
    "ok": "scored",
    "empty_response": "not scored: the response is empty",
    "not_finite": "not scored: a loss is not finite",
    "demonstration_dropped": "not scored: no room for a worked example",
    "unreadable": "not scored: the row cannot be read",
}
FLAG_WORDS = {
    "demonstration_trimmed": "flagged: the worked example was cut on its left to fit",
    "response_truncated": "flagged: the response was cut on its right to fit",
    "duplicate_prompt": "flagged: another row has the same prompt",
    "duplicate_neighbor": "flagged: no row has another prompt than its own",
    "undesired_response": "flagged: the row says that its response is a bad one",
    "in_target": "flagged: the target set has the same prompt",
    "deita_unrated": "flagged: too long for a scorer of Deita, or nothing that it could rate",
    "alpagasus_unrated": "flagged: the judge refused the row, or its rating cannot be read",
}
# Shown where rows have them: of runs that avoid such neighbors, of rows that say so, of runs with a target set, and of
# those that measure what a method needs.
RARE_FLAGS = ("duplicate_neighbor", "undesired_response", "in_target", "deita_unrated", "alpagasus_unrated")
RESPONSE_WORDS = {
    "meta_text": "speaks of itself (an AI, a step, a pair of texts)",
    "refusal": "declines to answer",
    "cut_off": "ends in the middle of a sentence",
    "broken_code_fence": "opens a fence of code and never closes it",
    "other_language": "is in another language than the set",
}
COLUMN_WORDS = {
    "row": "index of the row in the input of the scoring",
    "miwv": "loss_one_shot − loss_zero_shot, nats per response token; null where not scored",
    "loss_zero_shot": "mean loss on the response, given the prompt alone",
    "loss_one_shot": "the same with the nearest neighbor as a worked example before it",
    "neighbor": "the row number of that neighbor",
    "neighbor_similarity": "cosine of the two prompts' embeddings",
    "response_tokens": "length of the scored response in tokens",
    "miwv_status": "ok, empty_response, not_finite, demonstration_dropped or unreadable",
    "miwv_flags": f"any of {', '.join(FLAG_WORDS)}",
}
REQUESTED_COLUMN_WORDS = {
    "miwv_spread": "standard deviation over the neighbors, of whose differences miwv is the mean; null below two",
    "neighbors": "the row numbers of all neighbors, the nearest first",
    "losses_one_shot": "the loss behind each of them; loss_one_shot is the mean",
    "influence": "mean of loss_zero_shot − the loss behind this row, over the rows that have it as a worked example: "
    "what it saves them, nats per response token; null where it is nobody's",
    "influence_diverse": "the same, each weighted by (1 − cosine) / 2",
    "target_gain": "loss_zero_shot − the mean loss behind the nearest rows of the target set, one at a time: what the "
    "target's examples save the row, nats per response token; null where not known",
    "target_neighbors": "the row numbers of these in the target set, the nearest first",
    "kcenter_rank": "the order, from 0, in which k-center takes the rows, by the mean of their last hidden states; "
    "null where it does not come to them",
    "selectit": "the model's rating of the row by one prompt, 1 to 5, times how sure it is (SelectIT, token level)",
    "selectit_sentence": "the same by five prompts, mean / (1 + 0.2 x standard deviation)",
    "nuggets": "the share of anchor rows whose response is likelier with this row as a worked example",
    "nuggets_gain": "what it saves them on average, nats per response token",
    "deita": "the sum over the row's exchanges of complexity x quality, each from 1 to 6 by a scorer (Deita)",
    "deita_complexity": "the mean complexity of its instructions, from 1 to 6",
    "deita_quality": "the mean quality of its answers, from 1 to 6",
    "alpagasus": "a judge's rating of the response, from 0 to 5 (AlpaGasus); null where it cannot be read",
    "loss_response_alone": "mean loss on the response behind '### Response:' alone, for IFD",
    "loss_response_bare": "mean loss on the response behind nothing, for Superfiltering",
    "prompt_embedding": "the prompt's embedding, of length 1",
}


def correlation_words(correlation: float | None, subject: str) -> str:
    """Put a rank correlation with MIWV in words.

    Args:
        correlation (`float`, *optional*): The correlation; None where it is not defined.
        subject (`str`): The other measure's higher end.

    Returns:
        `str`: The sentence, without a full stop.

    >>> correlation_words(-0.31, "longer responses")
    '−0.310: longer responses tend to score lower'
    """
    if correlation is None:
        return "not defined for these rows"
    number = write_number(correlation).replace("-", "−")
    if abs(correlation) < 0.1:
        return f"{number}: {subject} score neither clearly higher nor clearly lower"
    return f"{number}: {subject} tend to score {'higher' if correlation > 0 else 'lower'}"


def length_words(lengths: LengthComparison | None, subject: str) -> str:
    """Put the result of `compare_lengths` in a sentence.

    Args:
        lengths (`LengthComparison`, *optional*): The result; None where it was not recorded.
        subject (`str`): Subject of the sentence, such as "The chosen part".

    Returns:
        `str`: The sentence.
    """
    if lengths is None or lengths["ratio_of_medians"] is None:
        return f"How the response lengths compare is {NOT_RECORDED}."
    ratio = lengths["ratio_of_medians"]
    kind = "shorter than" if ratio < 0.9 else "longer than" if ratio > 1.1 else "about as long as"
    return (
        f"{subject} has responses {kind} the whole: a median of "
        f"{write_number(lengths['chosen']['median'], 1)} tokens against "
        f"{write_number(lengths['scored']['median'], 1)} ({ratio:.2f} times). "
        f"{100 * lengths['share_shorter_than_chosen_median']:.1f} % of all scored rows are "
        "shorter than that first median."
    )
