"""Tables of a card of scored or chosen rows: from run.json to Markdown, or to rows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_miwv.common.cards.markdown import table
from hf_miwv.common.cards.numbers import PERCENTS, write_number, write_share
from hf_miwv.common.cards.parts import NOT_RECORDED, shown_name
from hf_miwv.common.hub.license import license_words
from hf_miwv.results.card_words import (
    COLUMN_WORDS,
    FLAG_WORDS,
    RARE_FLAGS,
    REQUESTED_COLUMN_WORDS,
    RESPONSE_WORDS,
    STATUS_WORDS,
)
from hf_miwv.results.row_report import row_remarks
from hf_miwv.results.score_columns import REQUESTED_NUMBERS
from hf_miwv.results.scored_record import (
    LengthComparison,
    ResponseFaults,
    ScoredRecord,
    SelectionFacts,
    Statistics,
    Summary,
    TargetFacts,
)
from hf_miwv.rows.schema import EMBEDDING_COLUMN, NEIGHBORS_COLUMNS, TARGET_COLUMNS


def count_rows(run: ScoredRecord) -> list[tuple[str, str]]:
    """Count rows in all, by status and by flag; a reason that no row has is left out.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `list[tuple[str, str]]`: Words and number of each count.
    """
    statistics = run["statistics"]
    rows = [("all", write_number(statistics["rows"]))]
    for name, words in STATUS_WORDS.items():
        if statistics["status"].get(name) or name == "ok":
            rows.append((words, write_share(statistics["status"][name], statistics["rows"])))
    for name, words in FLAG_WORDS.items():
        if name in RARE_FLAGS and not statistics["flags"].get(name):
            continue
        rows.append((words, write_share(statistics["flags"][name], statistics["rows"])))
    if run.get("demonstrations_with_empty_response"):
        words = "scored behind a worked example whose response is empty"
        rows.append((words, write_number(run["demonstrations_with_empty_response"])))
    return rows + [(words, write_number(count)) for words, count in row_remarks(run)]


def quantile_table(statistics: Mapping[str, Any]) -> str:
    """Tabulate mean, standard deviation and quantiles of score, losses (nats) and length (tokens).

    Args:
        statistics (`Mapping[str, Any]`): run["statistics"].

    Returns:
        `str`: A Markdown table.
    """
    measures = (
        ("MIWV", "miwv", 3),
        ("spread of MIWV over the neighbors", "miwv_spread", 3),
        ("zero-shot loss", "loss_zero_shot", 3),
        ("one-shot loss", "loss_one_shot", 3),
        ("influence", "influence", 3),
        ("influence, weighted by (1 − cosine) / 2", "influence_diverse", 3),
        ("gain by the target's examples", "target_gain", 3),
        ("rating by the model (SelectIT, token level)", "selectit", 3),
        ("rating by the model (SelectIT, sentence level)", "selectit_sentence", 3),
        ("share of anchors helped (Nuggets)", "nuggets", 3),
        ("nats that it saves the anchors", "nuggets_gain", 3),
        ("complexity x quality (Deita)", "deita", 3),
        ("complexity by its scorer", "deita_complexity", 3),
        ("quality by its scorer", "deita_quality", 3),
        ("rating by a judge (AlpaGasus)", "alpagasus", 3),
        ("loss without prompt (IFD)", "loss_response_alone", 3),
        ("loss without prompt (Superfiltering)", "loss_response_bare", 3),
        ("response tokens", "response_tokens", 1),
    )
    recorded = [measure for measure in measures if measure[1] in statistics]
    return measure_table([(words, statistics[name], digits) for words, name, digits in recorded])


def score_table(selection: SelectionFacts) -> str:
    """Tabulate the quantiles of the score that the rows were chosen by, of the chosen and of all.

    Args:
        selection (`SelectionFacts`): run["selection"].

    Returns:
        `str`: A Markdown table.
    """
    scores = selection["scores"]
    return measure_table([("chosen", scores["chosen"], 3), ("all with a score", scores["all"], 3)])


def measure_table(measures: Sequence[tuple[str, Summary, int]]) -> str:
    """Tabulate mean, standard deviation and quantiles of each measure, with so many decimals.

    Args:
        measures (`Sequence[tuple[str, Summary, int]]`): Words, `summarize` and decimals of each.

    Returns:
        `str`: A Markdown table.
    """
    header = ["", "mean", "st. dev.", *(f"{percent} %" for percent in PERCENTS)]
    rows = []
    for words, part, digits in measures:
        values = [part["mean"], part["standard_deviation"], *part["quantiles"].values()]
        rows.append([words, *(write_number(value, digits) for value in values)])
    return table(header, rows)


def column_rows(run: ScoredRecord) -> list[tuple[str, str]]:
    """List the columns that the folder holds beside the data set's own, and their content.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `list[tuple[str, str]]`: Column and content.
    """
    held = {name for name in REQUESTED_NUMBERS if name in run["statistics"]}
    if "miwv_spread" in held:
        held |= set(NEIGHBORS_COLUMNS)
    if "target_gain" in held:
        held |= set(TARGET_COLUMNS)
    if run["command"] == "score" and run["settings"].get("keep_embeddings"):
        held.add(EMBEDDING_COLUMN)
    asked = [(name, words) for name, words in REQUESTED_COLUMN_WORDS.items() if name in held]
    return [*COLUMN_WORDS.items(), *asked]


def _example_words(settings: dict[str, Any]) -> str:
    """Say which rows the worked examples are."""
    words = "row with another prompt" if settings.get("avoid_duplicate_neighbors") else "other row"
    count = settings.get("neighbors", 1)
    return f"nearest {words}" if count == 1 else f"each of the {count} nearest: {words}"


def _target_words(target: TargetFacts) -> str:
    """Name the target set, its rows and fingerprint."""
    parts = (shown_name(target["source"]), target["config"], target["split"], target["revision"])
    named = ", ".join(part for part in parts if part)
    return (
        f"{named}: {write_number(target['examples'])} examples in {write_number(target['rows'])} rows, "
        f"fingerprint {target['fingerprint']}"
    )


def fifth_rows(statistics: Statistics) -> list[list[str]]:
    """List cosine from, cosine to and median MIWV of each fifth of neighbor similarity.

    Args:
        statistics (`Statistics`): run["statistics"].

    Returns:
        `list[list[str]]`: Five rows.
    """
    fifths = statistics["similarity_fifths"]
    columns = (fifths["similarity_from"], fifths["similarity_to"], fifths["median_miwv"])
    return [[write_number(value) for value in row] for row in zip(*columns, strict=True)]


def length_table(lengths: LengthComparison | None) -> str:
    """Tabulate response tokens of the chosen and of all scored rows, side by side.

    Args:
        lengths (`LengthComparison`, *optional*): The result of `compare_lengths`; None where not recorded.

    Returns:
        `str`: A Markdown table.
    """
    if lengths is None:
        return NOT_RECORDED
    rows = []
    for words, part in (("chosen", lengths["chosen"]), ("all scored", lengths["scored"])):
        numbers = (part["median"], part["mean"], part["quantile_10"], part["quantile_90"])
        rows.append([words, write_number(part["rows"]), *(write_number(number, 1) for number in numbers)])
    return table(("response tokens", "rows", "median", "mean", "10 %", "90 %"), rows)


def response_table(responses: ResponseFaults) -> str:
    """Tabulate responses that would do harm, among the chosen rows and in a sample of all.

    Args:
        responses (`ResponseFaults`): run["selection"]["responses"].

    Returns:
        `str`: A Markdown table.
    """
    rows = [
        (
            words,
            write_share(responses["chosen"][kind], responses["chosen_rows"]),
            write_share(responses["sample"][kind], responses["sample_rows"]),
            ", ".join(str(row) for row in responses["first"].get(kind, [])),
        )
        for kind, words in RESPONSE_WORDS.items()
    ]
    return table(("the response", "chosen", "sample of all", "first chosen rows"), rows)


def made_rows(scoring_run: ScoredRecord) -> list[tuple[str, Any]]:
    """List data (with configuration and split), model, embedder, template and versions of a score.

    Args:
        scoring_run (`ScoredRecord`): The record of the scoring.

    Returns:
        `list[tuple[str, Any]]`: Words and value of each.
    """
    data, model, embedder = scoring_run["data"], scoring_run["model"], scoring_run["embedder"]
    parts = (shown_name(data["source"]), data["config"], data["split"])
    recorded = {
        "data": ", ".join(part for part in parts if part),
        "data revision": data["revision"],
        "data rows": f"{write_number(data['rows'])}, of the shape {data['shape']}",
        "columns that are no part of prompt or response": ", ".join(data["columns_not_read"]) or "none"
        if "columns_not_read" in data
        else None,
        "data fingerprint": data["fingerprint"],
        "data license": license_words(data.get("license")),
        **({"target set": _target_words(scoring_run["target"])} if scoring_run.get("target") else {}),
        "model": shown_name(model["source"]),
        "model revision": model["revision"],
        "model weights": f"{write_number(model['parameters'])} parameters in {model['dtype']}, on {model['device']}",
        "model fingerprint": model["fingerprint"],
        "embedder": shown_name(embedder["source"]),
        "embedder revision": embedder["revision"],
        "embedder pooling": embedder["pooling"],
        "embedder fingerprint": embedder["fingerprint"],
        "embedded text": f"{embedder['text']} prompt, up to {embedder['max_tokens']} tokens "
        f"(prompts cut: {write_number(embedder['prompts_cut'])})",
        "worked example": _example_words(scoring_run["settings"]),
        "template": shown_name(scoring_run["template"]["name"]),
        "template SHA-256": scoring_run["template"]["sha256"],
        **(
            {"date given to the template": scoring_run["template"]["date"]}
            if scoring_run["template"].get("date")
            else {}
        ),
        "max length": f"{write_number(scoring_run['settings']['max_length'])} tokens",
        "versions": ", ".join(
            [
                f"{scoring_run['package']['name']} {scoring_run['package']['version']}",
                *(f"{name} {version}" for name, version in scoring_run["versions"].items()),
            ]
        ),
    }
    return [(words, NOT_RECORDED if value is None else value) for words, value in recorded.items()]
