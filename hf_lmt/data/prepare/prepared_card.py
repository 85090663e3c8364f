"""The card (README.md) and the picture of prepared rows, filled from their run.json."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from hf_lmt.data.corpora.row_folder import license_names
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.data.prepare.stage_counts import GROUPS, Counts, group_of
from hf_lmt.directions import parse_direction
from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import (
    NOT_RECORDED,
    command_block,
    markdown_environment,
    run_digest,
    shown_name,
    size_category,
)

SHOWN = 24  # directions in a list
PICTURE = "directions.png"
TEMPLATE = "prepared_card.md.jinja"
STAGE_WORDS = {
    "read": "read",
    "outside_weight": "outside the weight of their source",
    "curated_away": "taken by curation",
    "capped": "beyond a cap",
    "downsampled": "taken by Strategic Downsampling",
    "rows": "rows",
    "hinted": "with a hint",
}
COLUMN_WORDS = {
    "source_lang, target_lang": "LMT's codes of the languages",
    "source, target": "the sentence and its translation",
    "auxiliary_lang, auxiliary": "the sentence in a third language, where there is one",
    "corpus": "where the row comes from",
    "row_key": "the source's own id, or a hash of corpus, direction and texts",
    "prompt, completion": "what a trainer reads, in TRL's form",
    "hinted": "whether the auxiliary sentence is in the prompt",
    "chat_template_kwargs": "what the chat template is told; TRL reads it",
}
MIXTURE_WORDS = {
    "text": "the line, whole",
    "part": "monolingual, zh or en",
    "source_lang, target_lang": "LMT's codes; the second is null for a text in one language",
    "tokens": "of the text",
    "corpus": "where the row comes from",
    "row_key": "the source's own id, or a hash of the content",
}


def draw_directions(counts: Counts, folder: Path) -> str:
    """Draw the rows of each direction: how many were read, and how many are left.

    Args:
        counts (`Counts`): {direction: rows by stage}.
        folder (`Path`): The folder to write to.

    Returns:
        `str`: Name of the PNG in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from hf_miwv.common.cards.figures import BELOW, INK, WHOLE, label_counts, save

    groups = {group: [name for name in counts if group_of(parse_direction(name)) == group] for group in GROUPS}
    groups = {group: names for group, names in groups.items() if names}
    figure = Figure(figsize=(11, 0.9 + 1.9 * len(groups)), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(len(groups), squeeze=False)[:, 0]
    for axes, (group, names) in zip(all_axes, groups.items(), strict=True):
        for stage, color, words in (("read", WHOLE, "read"), ("rows", BELOW, "prepared")):
            heights = [counts[name][stage] for name in names]
            axes.bar(range(len(names)), heights, width=0.8, color=color, label=words)
        axes.set_xticks(range(len(names)), [_tick(group, name) for name in names], fontsize=7)
        axes.tick_params(axis="x", rotation=90 if group == "other" else 0, length=0)
        axes.set_xlim(-0.7, max(len(names), 12) - 0.3)
        axes.set_title(group, loc="left", fontsize=10, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        label_counts(axes)
    all_axes[0].legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    figure.suptitle("Rows of each direction", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    return save(figure, folder, PICTURE)


def _tick(group: str, name: str) -> str:
    """Return the language that the group's name leaves open, or the direction."""
    if group not in GROUPS[:4]:
        return name
    return name.split("-")[1 if group.endswith("2x") else 0]


def write_prepared_card(run: PreparedRecord, picture: str, folder: Path) -> None:
    """Write README.md, filled from the record.

    Args:
        run (`PreparedRecord`): The record of the prepared rows.
        picture (`str`): Name of the PNG that lies beside it.
        folder (`Path`): The folder to write to.
    """
    environment = markdown_environment()
    environment.filters.update(number=write_number, escape=escape)
    source = files("hf_lmt").joinpath("templates", TEMPLATE).read_text("utf-8")
    mixture = run["settings"]["mixture"] is not None
    text = environment.from_string(source).render(
        run=run,
        picture=picture,
        mixture=mixture,
        missing=_missing(run["counts"]["directions_without_rows"]),
        front_matter=_front_matter(run, (folder / "rejects").exists()),
        sources=table(("corpus", "from", "license", "rows read"), _source_rows(run)),
        groups=_group_table(run["counts"]["groups"]),
        columns=table(("column", "what it holds"), (MIXTURE_WORDS if mixture else COLUMN_WORDS).items()),
        reasons=_reason_table(run["counts"]["curation"]),
        how_made=table(("", ""), _made_rows(run)),
        command=command_block(run),
    )
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def _front_matter(run: PreparedRecord, rejects: bool) -> str:
    from huggingface_hub import DatasetCardData

    configs: list[dict[str, Any]] = [
        {
            "config_name": "prepared",
            "default": True,
            "description": f"run {run_digest(run)}",
            "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
        }
    ]
    if rejects:
        files_of = [{"split": "train", "path": "rejects/*.parquet"}]
        configs.append({**configs[0], "config_name": "rejects", "default": False, "data_files": files_of})
    names = {code for name in run["counts"]["directions"] for code in name.split("-")}
    content = DatasetCardData(
        pretty_name="Translation rows prepared for LMT",
        language=sorted(names),
        license=license_names(source["license"] for source in run["data"]) or None,
        task_categories=["translation"],
        tags=["machine-translation", "lmt"],
        size_categories=[size_category(run["rows"])],
        configs=configs,
    )
    return f"---\n{content.to_yaml()}\n---"


def _source_rows(run: PreparedRecord) -> list[tuple[str, ...]]:
    return [
        (
            source["corpus"],
            shown_name(source["path"] if isinstance(source["path"], str) else next(iter(source["path"].values()))),
            source["license"] or NOT_RECORDED,
            write_number(source["rows"]),
        )
        for source in run["data"]
    ]


def _group_table(groups: Counts) -> str:
    stages = [stage for stage in STAGE_WORDS if stage in ("read", "rows") or groups["all"][stage]]
    header = ("directions", *(STAGE_WORDS[stage] for stage in stages))
    return table(
        header,
        [(group, *(write_number(group_counts[stage]) for stage in stages)) for group, group_counts in groups.items()],
    )


def _reason_table(curation: dict[str, Any] | None) -> str:
    rows = [
        (step, reason, write_number(count))
        for step, step_counts in (curation or {}).items()
        for reason, count in step_counts["reasons"].items()
    ]
    return table(("step", "reason", "rows"), rows) if rows else "Curation took no row."


def _made_rows(run: PreparedRecord) -> list[tuple[str, Any]]:
    settings = run["settings"]
    recorded = {
        "seed": settings["seed"],
        "curation": ", ".join(settings["curation"]) or "none",
        "overlap with evaluation sets": run["contamination"],
        "Strategic Downsampling": _words(settings["downsampling"]),
        "prompts": _words(settings["pmp"]),
        "mixture": _words(settings["mixture"]),
        "train prompt = inference prompt": _check_words(run.get("prompt_check")),
        **{f"fingerprint of {source['corpus']}": source["fingerprint"] for source in run["data"]},
        "versions": ", ".join(
            [
                f"{run['package']['name']} {run['package']['version']}",
                *(f"{name} {version}" for name, version in run["versions"].items()),
            ]
        ),
    }
    return list(recorded.items())


def _words(settings: dict[str, Any] | None) -> str:
    if settings is None:
        return "none"
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value != {})


def _check_words(check: dict[str, Any] | None) -> str:
    if check is None:
        return "these rows have no prompts"
    if check["checked"] == "no":
        return f"not checked: {check['why']}"
    return f"checked on {check['rows']} rows with the tokenizer {shown_name(check['tokenizer'])}"


def _missing(names: list[str]) -> str:
    """Return the directions without rows, or as many as a reader looks at."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
