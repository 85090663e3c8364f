"""The card (README.md) of an evaluation and the table of its groups, from its two JSON files."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from hf_lmt.evaluation.evaluated_record import Contamination, EvaluatedRecord
from hf_lmt.evaluation.evaluation_folder import HYPOTHESES
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.metrics.corpus_scores import LOWER_IS_BETTER
from hf_lmt.evaluation.metrics.judgeable import COMET_METRICS
from hf_lmt.evaluation.metrics.normal_forms import not_nfc_rows
from hf_lmt.registry import TIERS
from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import command_block, markdown_environment, run_digest, shown_name, size_category

TEMPLATE = "evaluation_card.md.jinja"
BEHAVIOR = {
    "off_target_script": "other script",
    "off_target_language": "other language",
    "copy": "copied",
    "blank": "blank",
    "over_length": "too long",
    "repetition": "repetitive",
    "fan_in": "shared",
}
WORST = 5
GROUPS = (
    *(name for column in COLUMNS for name in (column, *(f"{column}/{tier}" for tier in TIERS))),
    "zero_shot",
    "overall",
)


def write_evaluation_card(run: EvaluatedRecord, scores: dict[str, Any], folder: Path) -> None:
    """Write README.md, filled from run.json and scores.json.

    Args:
        run (`EvaluatedRecord`): The content of run.json.
        scores (`dict[str, Any]`): The content of scores.json.
        folder (`Path`): The folder to write to.
    """
    environment = markdown_environment()
    environment.filters.update(number=write_number, escape=escape)
    source = files("hf_lmt").joinpath("templates", TEMPLATE).read_text("utf-8")
    model = run["model"]
    header, rows = group_table(scores)
    text = environment.from_string(source).render(
        run=run,
        scores=scores,
        front_matter=_front_matter(run, scores),
        model=escape(shown_name(model["source"])) if model else None,
        groups=table(header, rows),
        silent=silent_words(scores),
        missing=sorted(scores["missing"]),
        not_nfc=_not_nfc_table(scores),
        signatures=table(("metric", "signature"), signature_rows(scores)),
        how_made=table(("", ""), _made_rows(run)),
        command=command_block(run),
    )
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def group_table(scores: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Make the table of groups: a row for each group with a direction, scores and shares of behavior.

    A mean has the number of its directions in brackets where some of the group's are not in it.
    Rates that are 0 in every group have no column; `silent_rates` has them.

    Args:
        scores (`dict[str, Any]`): The content of scores.json.

    Returns:
        `tuple[list[str], list[list[str]]]`: The header, and the cells of each row.
    """
    groups_of_scores = scores["groups"]
    rates = [name for name in _rates(scores) if name not in silent_rates(scores)]
    header = ["", *scores["metrics"], *(BEHAVIOR[name] for name in rates)]
    rows = []
    for group in GROUPS:
        if group_figures := groups_of_scores.get(group):
            means = [_mean(group_figures["scores"].get(name), name) for name in scores["metrics"]]
            shares = [_share(group_figures["behavior"].get(name)) for name in rates]
            rows.append([group, *means, *shares])
    return header, rows


def silent_rates(scores: dict[str, Any]) -> list[str]:
    """List the rates of behavior that no row of any group shows.

    Args:
        scores (`dict[str, Any]`): The content of scores.json.

    Returns:
        `list[str]`: Names of rates.
    """
    groups = scores["groups"].values()
    return [
        name
        for name in _rates(scores)
        if not any(
            group_figures["behavior"][name]["count"] for group_figures in groups if name in group_figures["behavior"]
        )
    ]


def silent_words(scores: dict[str, Any]) -> str:
    """Name the rates of `silent_rates` in words.

    Args:
        scores (`dict[str, Any]`): The content of scores.json.

    Returns:
        `str`: The words; empty where there is none.
    """
    names = ", ".join(BEHAVIOR[name] for name in silent_rates(scores))
    return f"0 in every group: {names}" if names else ""


def _rates(scores: dict[str, Any]) -> list[str]:
    groups = scores["groups"].values()
    return [name for name in BEHAVIOR if any(name in group_figures["behavior"] for group_figures in groups)]


def _not_nfc_table(scores: dict[str, Any]) -> str | None:
    """Tabulate the cost of references that are not in NFC; None where all are."""
    rows = not_nfc_rows(scores)
    return table(["", "references", "not in NFC", *scores["metrics"]], rows) if rows else None


def worst_directions(scores: dict[str, Any]) -> tuple[str | None, list[tuple[str, float]]]:
    """Find the five directions with the worst value of a metric.

    By chrF++, which counts alike in all languages, else by the first metric that has values.

    Args:
        scores (`dict[str, Any]`): The content of scores.json.

    Returns:
        `tuple[str | None, list[tuple[str, float]]]`: The metric, and (direction, value), the worst first; None and
        nothing where no metric has values.
    """
    for metric in sorted(scores["metrics"], key=lambda name: name != "chrf++"):
        values = [
            (name, direction_figures["scores"][metric]["value"])
            for name, direction_figures in scores["directions"].items()
            if direction_figures["scores"][metric]["value"] is not None
        ]
        if values:
            sign = -1 if metric in LOWER_IS_BETTER else 1
            return metric, sorted(
                values, key=lambda direction_and_value: (sign * direction_and_value[1], direction_and_value[0])
            )[:WORST]
    return None, []


def write_score(metric: str, value: float | None) -> str:
    """Format a score with two decimals; COMET's, from 0 to 1, as the paper has them: times 100.

    Args:
        metric (`str`): Name of the metric.
        value (`float | None`): The score in the metric's unit; None where there is none.

    Returns:
        `str`: The number, or "-".
    """
    if value is None:
        return "-"
    return f"{100 * value if metric in COMET_METRICS else value:.2f}"


def _mean(mean: dict[str, Any] | None, metric: str) -> str:
    if mean is None or mean["mean"] is None:
        return "-"
    some = mean["missing"] or mean["apart"]
    return write_score(metric, mean["mean"]) + (f" ({mean['count']})" if some else "")


def _share(rate: dict[str, Any] | None) -> str:
    return "-" if rate is None or rate["value"] is None else f"{100 * rate['value']:.1f} %"


def signature_rows(scores: dict[str, Any]) -> list[tuple[str, str]]:
    """List metric and signature, each once; BLEU has one for each tokenizer.

    Args:
        scores (`dict[str, Any]`): The content of scores.json.

    Returns:
        `list[tuple[str, str]]`: (metric, signature), in the order of the metrics.
    """
    signatures = {
        (name, score["signature"]): None
        for direction_figures in scores["directions"].values()
        for name, score in direction_figures["scores"].items()
        if score["signature"]
    }
    return sorted(signatures, key=lambda metric_and_signature: list(scores["metrics"]).index(metric_and_signature[0]))


def _made_rows(run: EvaluatedRecord) -> list[tuple[str, Any]]:
    data, model = run["data"], run["model"]
    rows = {
        "evaluation set": data["title"],
        "fingerprint of its lines": data["fingerprint"],
        "contamination": _contamination_words(run["contamination"]),
        "hints": run["settings"]["hints"],
    }
    if model:
        rows |= {
            "model": shown_name(model["source"]),
            "made by": ", ".join(f"{name} {value}" for name, value in model["made_by"].items()),
            "prompt": f"{model['prompt']['name']}, {model['prompt']['form']}, SHA-256 {model['prompt']['sha256']}",
        }
    versions = [f"{name} {number}" for name, number in run["versions"].items()]
    package = f"{run['package']['name']} {run['package']['version']}"
    return [*rows.items(), ("versions", ", ".join([package, *versions]))]


def _contamination_words(contamination: Contamination) -> str:
    if not contamination["checked"]:
        return f"not checked: {contamination['why']}"
    if not contamination["overlap"]:
        return f"none known of ({', '.join(contamination['looked_at'])})"
    return "; ".join(f"{claim['name']}, says {claim['said_by']}" for claim in contamination["overlap"])


def _front_matter(run: EvaluatedRecord, scores: dict[str, Any]) -> str:
    from huggingface_hub import DatasetCardData

    described = f"run {run_digest(run)}"
    files_of = {"hypotheses": "*", **{name: name for name in scores["directions"]}}
    content = DatasetCardData(
        pretty_name=f"Translations of {run['data']['title']}, and their scores",
        language=sorted({code for name in scores["directions"] for code in name.split("-")}),
        task_categories=["translation"],
        tags=["machine-translation", "lmt", "evaluation"],
        size_categories=[size_category(run["counts"]["lines"])],
        configs=[
            {
                "config_name": name,
                "default": name == "hypotheses",
                "description": described,
                "data_files": [{"split": "test", "path": f"{HYPOTHESES}/{stem}.jsonl"}],
            }
            for name, stem in files_of.items()
        ],
    )
    return f"---\n{content.to_yaml()}\n---"
