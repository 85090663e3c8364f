"""How a model was made, in rows of tables: sources, settings, code, time, languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.metrics.judgeable import why_unreliable
from hf_lmt.model_card.subject import Subject
from hf_lmt.model_card.trained_record import TrainedRecord, TrainedRows
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import NOT_RECORDED, shown_name
from hf_miwv.common.runs.record import Package

MEASURES = {"chrF++": "eval_chrf_", "loss": "eval_loss_", "reward": "eval_rollouts/reward/"}
"""Words -> how the keys of the log begin, of which a group is the end."""
ASKED = {
    "global_batch_size": "rows a step",
    "max_steps": "steps",
    "num_train_epochs": "epochs",
    "learning_rate": "learning rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warm-up",
    "weight_decay": "weight decay",
    "adam_beta1": "Adam, beta 1",
    "adam_beta2": "Adam, beta 2",
    "max_length": "most tokens of a row",
    "num_generations": "completions of a prompt",
    "temperature": "temperature",
    "beta": "weight of the KL divergence",
    "max_prompt_length": "most tokens of a prompt",
    "max_completion_length": "most tokens of a completion",
    "packing": "packing",
    "seed": "seed",
    "use_peft": "LoRA",
    "lora_r": "LoRA rank",
    "load_in_4bit": "4-bit base",
}
"""Keys of a recipe that a card shows before training; the recipe itself is below them."""


def source_rows(subject: Subject) -> list[tuple[str, ...]]:
    """List corpus, path, license and rows of each source.

    Args:
        subject (`Subject`): The model.

    Returns:
        `list[tuple[str, ...]]`: The cells of each row of the table.
    """
    return [
        (
            source["corpus"],
            shown_name(path if isinstance(path := source["path"], str) else next(iter(path.values()))),
            source["license"] or NOT_RECORDED,
            "not counted" if source["rows"] is None else write_number(source["rows"]),
        )
        for source in subject.sources
    ]


def language_rows(subject: Subject) -> list[tuple[str, ...]]:
    """List each language's name, code, tier, scripts, language of the hint, and rows from and into.

    Args:
        subject (`Subject`): The model.

    Returns:
        `list[tuple[str, ...]]`: The cells of each row of the table, under `language_header`.
    """
    into, out = _rows_by_language(subject)
    doubtful = [code for code in subject.codes if why_unreliable("comet-22", code)]
    rows = []
    for code, known_language in LANGUAGES.items():
        if code not in subject.codes:
            continue
        counts = (write_number(out.get(code, 0)), write_number(into.get(code, 0)))
        rows.append(
            (
                known_language.name,
                code,
                known_language.tier,
                " ".join(known_language.scripts),
                known_language.auxiliary or "",
                *(counts if subject.run else ()),
                "no" if code in doubtful else "yes",
            )
        )
    return rows


def language_header(subject: Subject) -> tuple[str, ...]:
    """Return the header of the table of languages; a run counts rows, a recipe does not.

    Args:
        subject (`Subject`): The model.

    Returns:
        `tuple[str, ...]`: The words at the head of each column.
    """
    counts = ("rows out of it", "rows into it") if subject.run else ()
    return ("language", "code", "tier", "script", "hint from", *counts, "COMET can judge")


def method_rows(subject: Subject) -> list[tuple[str, Any]]:
    """Describe the method that rows pass before training: mixed, or thinned and given hints.

    Args:
        subject (`Subject`): The model.

    Returns:
        `list[tuple[str, Any]]`: (name, value) of each setting.
    """
    if subject.prompts is None:
        return [
            (f"mixture: {name}", _words(value) if isinstance(value, Mapping) else value)
            for name, value in subject.settings["mixture"].items()
            if name != "monolingual"
        ]
    thinning, share = subject.settings["downsampling"], subject.prompts["share"]
    return [
        (
            "Strategic Downsampling",
            "none: all rows into English and Chinese"
            if thinning is None
            else f"{thinning['rate']} of the rows into English and Chinese",
        ),
        ("Parallel Multilingual Prompting", f"a hint in {share} of the rows that have one"),
    ]


def setting_rows(subject: Subject) -> list[tuple[str, Any]]:
    """List the settings: all that was recorded, or what the recipe asks for.

    Args:
        subject (`Subject`): The model.

    Returns:
        `list[tuple[str, Any]]`: (name, value) of each setting; NOT_RECORDED where an older run does not have it.
    """
    run = subject.run
    if run is None:
        ours = {**ASKED, "global_batch_size": "completions a step"} if subject.by_rewards else ASKED
        asked = [(words, subject.recipe[key]) for key, words in ours.items() if key in subject.recipe]
        return [*method_rows(subject), *asked]
    model, rows, recipe = run["model"], run["rows"], run["recipe"]
    prompts = {name: value for name, value in (run["prompts"] or {}).items() if name != "share"}
    recorded = {
        "code": _code(run["package"]),
        "time": duration(run["timing"]["seconds"]),
        "hardware": hardware(run),
        **dict(method_rows(subject)),
        "base model revision": model["revision"],
        "weights": f"{model['dtype']}, attention {model['attention']}",
        "trained": f"{write_number(model['trained_parameters'])} of {write_number(model['parameters'])} parameters",
        **_row_settings(subject, rows, recipe.get("global_batch_size")),
        "steps": write_number(run["steps"]),
        **run["settings"],
        "seeds": _words(run["seeds"]),
        "prompts": _words(prompts) or None,
        "overlap with evaluation sets": run["prepared"]["contamination"],
        "versions": _words(run["versions"]),
    }
    return [(words, NOT_RECORDED if value is None else value) for words, value in recorded.items()]


def _row_settings(subject: Subject, rows: TrainedRows, batch: int | None) -> dict[str, Any]:
    """Describe the rows as they were trained on: targets and prompts, or prompts alone."""
    left_out = write_number(rows["no_room"])
    if subject.by_rewards:
        return {
            "prompts": write_number(rows["used"]),
            "rows left out": left_out,
            "longest prompt": write_number(rows["longest"]),
            "completions a step": batch,
        }
    return {
        "rows trained on": write_number(rows["used"]),
        "rows left out, rows cut": f"{left_out}, {write_number(rows['cut'])}",
        "tokens of an epoch": f"{write_number(rows['tokens'])}, with loss on {write_number(rows['target_tokens'])}",
        "longest sequence": write_number(rows["longest"]),
        "rows a step": batch,
    }


def reward_rows(subject: Subject) -> list[tuple[str, ...]]:
    """List function, weight, model and gates of each reward; what is watched has weight 0.

    Args:
        subject (`Subject`): The model.

    Returns:
        `list[tuple[str, ...]]`: The cells of each row of the table; none for a model without rewards.
    """
    if not subject.by_rewards:
        return []
    recorded = (subject.run or {}).get("rewards")
    if recorded is None:
        names = [entry if isinstance(entry, str) else entry["reward"] for entry in subject.recipe.get("rewards", [])]
        weights = subject.recipe.get("reward_weights") or [1.0] * len(names)
        return [(name, f"{weight:g}", "", "") for name, weight in zip(names, weights, strict=True)]
    return [
        (
            reward["path"],
            f"{reward['weight']:g}" if reward["weight"] else "0, watched",
            shown_name(reward["model"]) if "model" in reward else "",
            ", ".join(reward.get("gates", ())),
        )
        for reward in recorded
    ]


def movement_rows(subject: Subject) -> list[tuple[str, ...]]:
    """List group, measure, and its values at the first and the last evaluation of the training.

    Args:
        subject (`Subject`): The model.

    Returns:
        `list[tuple[str, ...]]`: The cells of each row of the table; none where nothing was watched.
    """
    entries = (subject.run or {}).get("evaluations", [])
    rows: list[tuple[str, ...]] = []
    for measure, key in MEASURES.items():
        for group in COLUMNS:
            values = [entry[name] for entry in entries if (name := f"{key}{group}") in entry]
            if values:
                rows.append((group, measure, f"{values[0]:.3g}", f"{values[-1]:.3g}"))
    return rows


def duration(seconds: float) -> str:
    """Format a duration in the unit that a person would take.

    >>> duration(41.4), duration(754), duration(18_720)
    ('41 seconds', '12.6 minutes', '5.2 hours')

    Args:
        seconds (`float`): The duration.

    Returns:
        `str`: The number with its unit.
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def hardware(run: TrainedRecord) -> str:
    """Say how many devices of what kind, and how the model was spread over them.

    Args:
        run (`TrainedRecord`): The record of the training.

    Returns:
        `str`: The words.
    """
    processes, sharding = run["launch"]["processes"], run["launch"]["sharding"]
    device = run["model"].get("device_name") or run["model"]["device"].upper()
    spread = "" if sharding in (None, "none") else f", sharded by {sharding}"
    return f"{processes} x {device}{spread}"


def _code(package: Package) -> str:
    commit = package.get("commit")
    return f"hf-miwv-lmt {package['version']}, commit {commit or NOT_RECORDED}"


def _rows_by_language(subject: Subject) -> tuple[dict[str, int], dict[str, int]]:
    """Count the rows into and out of each language, as they went into training."""
    into: dict[str, int] = {}
    out: dict[str, int] = {}
    counts = subject.run["prepared"]["counts"]["directions"] if subject.run else {}
    for name, direction_counts in counts.items():
        if "-" in name:
            source, target = parse_direction(name)
            out[source] = out.get(source, 0) + direction_counts["rows"]
            into[target] = into.get(target, 0) + direction_counts["rows"]
    return into, out


def _words(settings: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (settings or {}).items() if value is not None)
