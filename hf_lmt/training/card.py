"""The card (README.md) and the curve of the loss of a trained model, filled from its run.json."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from hf_miwv.card import NOT_RECORDED, command_block, markdown_environment, shown_name
from hf_miwv.markdown import escape, table
from hf_miwv.pictures import BELOW, new_figure, save
from hf_miwv.statistics import write_number
from hf_miwv.training.card import on_hub

CURVE = "training_curve.png"
TEMPLATE = "trained_card.md.jinja"


def draw_loss(run: dict[str, Any], folder: Path) -> str:
    """Write training_curve.png: the loss of each logged step, mean nats per labelled token."""
    from matplotlib.ticker import MaxNLocator

    note = (
        "mean over the tokens of targets and their ends"
        if run["prompts"]
        else "mean over all tokens of the texts"
    )
    figure, axes = new_figure("Training loss", note)
    curve = run["loss_curve"]
    marker = "." if len(curve) <= 100 else None
    axes.plot([entry["step"] for entry in curve], [entry["loss"] for entry in curve],
              color=BELOW, marker=marker, linewidth=1.4)  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss (nats per token)")
    return save(figure, folder, CURVE)


def write_trained_card(run: dict[str, Any], picture: str, folder: Path) -> None:
    """Write README.md to `folder`; `picture` is the name of the curve that lies beside it."""
    environment = markdown_environment()
    environment.filters.update(number=write_number, escape=escape)
    source = files("hf_lmt").joinpath("templates", TEMPLATE).read_text("utf-8")
    base = run["model"]["source"]
    text = environment.from_string(source).render(
        run=run,
        picture=picture,
        adapter=is_adapter(run),
        merged=bool(run["recipe"].get("merge")),
        front_matter=_front_matter(run),
        base=escape(shown_name(base)),
        base_on_hub=on_hub(base),
        sources=table(("corpus", "from", "licence", "rows read"), _source_rows(run)),
        directions=len(run["prepared"]["counts"]["directions"]),
        settings=table(("", ""), _setting_rows(run)),
        command=command_block(run),
    )
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def _front_matter(run: dict[str, Any]) -> str:
    """base_model only where it is an id on the Hub, which refuses others."""
    import yaml

    adapter = is_adapter(run)
    content: dict[str, Any] = {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "translation" if run["prompts"] else "text-generation",
        "language": sorted({code for name in run["prepared"]["counts"]["directions"]
                            for code in name.split("-")}),
        "tags": ["machine-translation", "lmt"],
    }  # fmt: skip
    if on_hub(run["model"]["source"]):
        content["base_model"] = run["model"]["source"]
    datasets = [path for path in (source["path"] for source in run["data"])
                if isinstance(path, str) and on_hub(path)]  # fmt: skip
    if datasets:
        content["datasets"] = sorted(set(datasets))
    if licence := (run["recipe"].get("hub") or {}).get("license"):
        content["license"] = licence
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)}---"


def is_adapter(run: dict[str, Any]) -> bool:
    """Whether the folder holds an adapter, and not the whole model."""
    return bool(run["recipe"].get("use_peft")) and not run["recipe"].get("merge")


def _source_rows(run: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (source["corpus"], shown_name(_one(source["path"])), source["licence"] or NOT_RECORDED,
         write_number(source["rows"]))
        for source in run["data"]
    ]  # fmt: skip


def _one(path: Any) -> str:
    return path if isinstance(path, str) else next(iter(path.values()))


def _setting_rows(run: dict[str, Any]) -> list[tuple[str, Any]]:
    model, rows, recipe = run["model"], run["rows"], run["recipe"]
    prompts = run["prompts"] or {}
    recorded = {
        "base model revision": model["revision"],
        "weights": f"{model['dtype']}, attention {model['attention']}",
        "trained": f"{write_number(model['trained_parameters'])} of "
        f"{write_number(model['parameters'])} parameters",
        "rows trained on": write_number(rows["used"]),
        "rows left out, rows cut": f"{write_number(rows['no_room'])}, {write_number(rows['cut'])}",
        "tokens of an epoch": f"{write_number(rows['tokens'])}, with loss on "
        f"{write_number(rows['target_tokens'])}",
        "longest sequence": write_number(rows["longest"]),
        "rows a step": recipe.get("global_batch_size"),
        "steps": write_number(run["steps"]),
        "launch": f"{run['launch']['processes']} processes, sharding {run['launch']['sharding']}",
        **run["settings"],
        "seeds": ", ".join(f"{name} {value}" for name, value in run["seeds"].items()
                           if value is not None),
        "prompts": ", ".join(f"{name} {value}" for name, value in prompts.items()) or None,
        "overlap with evaluation sets": run["prepared"]["contamination"],
        "versions": ", ".join(f"{name} {value}" for name, value in run["versions"].items()),
    }  # fmt: skip
    return [(words, NOT_RECORDED if value is None else value) for words, value in recorded.items()]
