"""The model card (README.md) and the training curve of a tuned model, filled from its run.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_miwv.common.cards.figures import BELOW, new_figure, save
from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import (
    NOT_RECORDED,
    command_block,
    markdown_environment,
    on_hub,
    shown_name,
)
from hf_miwv.training.tuned_record import TunedRecord

CURVE = "training_curve.png"


def draw_curve(curve: list[dict[str, Any]], folder: Path) -> str:
    """Write training_curve.png: the loss of each logged step, mean nats per labeled token.

    Args:
        curve (`list[dict[str, Any]]`): The result of `loss_curve`.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure("Training loss", "mean over the tokens of responses and their ends")
    steps = [entry["step"] for entry in curve]
    axes.plot(steps, [entry["loss"] for entry in curve], color=BELOW, marker=".", linewidth=1.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss (nats per token)")
    return save(figure, folder, CURVE)


def write_model_card(run: TunedRecord, picture: str, folder: Path) -> None:
    """Write README.md to `folder`; `picture` is the name of the curve that lies beside it.

    Args:
        run (`TunedRecord`): The record (run.json).
        picture (`str`): Name of the curve that lies beside it.
        folder (`Path`): The folder.
    """
    environment = markdown_environment()
    environment.filters.update(number=write_number, escape=escape)
    text = environment.get_template("model_card.md.jinja").render(
        run=run,
        selection=run["chosen_run"]["selection"],
        picture=picture,
        front_matter=front_matter(run),
        base=escape(shown_name(run["model"]["source"])),
        base_on_hub=on_hub(run["model"]["source"]),
        data=escape(shown_name(run["data"]["source"])),
        settings=table(("", ""), setting_rows(run)),
        command=command_block(run),
    )
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def front_matter(run: TunedRecord) -> str:
    """Return the YAML block at the head of the card.

    Args:
        run (`TunedRecord`): The record (run.json).

    Returns:
        `str`: The block, with its marks.
    """
    import yaml

    content = card_metadata(run)
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)}---"


def card_metadata(run: TunedRecord) -> dict[str, Any]:
    """Return the metadata that the Hub reads at the head of the card.

    base_model and datasets are named only where they are ids on the Hub, which refuses others;
    the license only where the recipe gives it.

    Args:
        run (`TunedRecord`): The record (run.json).

    Returns:
        `dict[str, Any]`: The metadata.
    """
    content: dict[str, Any] = {
        "library_name": "transformers" if run["recipe"]["lora"] is None else "peft",
        "pipeline_tag": "text-generation",
        "tags": ["instruction-tuning", "data-selection", "miwv"],
    }
    if on_hub(run["model"]["source"]):
        content["base_model"] = run["model"]["source"]
    if on_hub(run["data"]["source"]):
        content["datasets"] = [run["data"]["source"]]
    if run["license"]:
        content["license"] = run["license"]
    return content


def setting_rows(run: TunedRecord) -> list[tuple[str, Any]]:
    """List what was tuned, with which settings, seeds and versions.

    Args:
        run (`TunedRecord`): The record (run.json).

    Returns:
        `list[tuple[str, Any]]`: Words and value of each.
    """
    model, rows, lora = run["model"], run["rows"], run["recipe"]["lora"]
    adapter = lora and ", ".join(f"{name} {value}" for name, value in lora.items())
    recorded = {
        "base model revision": model["revision"],
        "base model weights": model["quantization"] or model["dtype"],
        "base model fingerprint": model["fingerprint"],
        "tuned": "all weights" if lora is None else f"LoRA adapter ({adapter or 'defaults'})",
        "parameters tuned": f"{write_number(model['trained_parameters'])} beside {write_number(model['parameters'])}"
        if lora is not None
        else write_number(model["parameters"]),
        "data revision": run["data"]["revision"],
        "rows trained on": write_number(rows["used"]),
        "rows cut to max_length": write_number(rows["cut"]),
        "rows left out": f"{write_number(rows['no_room'])} without room for a response, "
        f"{write_number(rows['empty_response'])} without a response",
        "tokens of an epoch": f"{write_number(rows['tokens'])}, with loss on {write_number(rows['response_tokens'])}",
        "steps": write_number(run["steps"]),
        "processes": run["identity"]["processes"],
        **run["settings"],
        "seeds": ", ".join(f"{name} {value}" for name, value in run["seeds"].items() if value is not None),
        "template": shown_name(run["template"]["name"]),
        "template SHA-256": run["template"]["sha256"],
        "versions": ", ".join(f"{name} {value}" for name, value in run["versions"].items()),
    }
    return [(words, NOT_RECORDED if value is None else value) for words, value in recorded.items()]
