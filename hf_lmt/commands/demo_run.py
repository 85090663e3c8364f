"""`hf-lmt demo`: the real job, small: sample corpus -> rows -> training -> translations, scored."""

from __future__ import annotations

import logging
import shlex
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hf_lmt.data.prepare.preparation_summary import show_prepared
from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.sets.sets import set_of
from hf_lmt.model_card.trained_record import TrainedRecord
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.training import train
from hf_lmt.training.watching.curves import SCORES
from hf_lmt.training.watching.watched_record import write_whole
from hf_miwv.common.cards.demo_page import picture, write_part
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, locate, program
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.trainer.trainable import trainable_source

MODEL = f"package:{MODEL_PACKAGE}"
LANGUAGES = ("en", "de", "es", "nl")
HELD_OUT = 6  # of so many lines, one is kept for judging
JUDGED = 8  # of them, in each direction
SHOWN, EXAMPLE = 3, "de-en"  # lines that are shown in translation
NEEDED = {"gguf": "gguf", "peft": "train", "trl": "train", "sacrebleu": "evaluate"}
JUDGING: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 48}  # greedy, and quick

PAGE = Path(str(files("hf_lmt") / "templates" / "demo_translations.html.jinja"))

logger = logging.getLogger(__name__)


def run_demo(output: Path) -> None:
    """Make rows, a trained model, and its translations before and after, all in `output`.

    Args:
        output (`Path`): Folder of the demo.

    Raises:
        InputError: the small model or a package is not installed; `output` is of something else.
    """
    _check_installed()
    recipe_path = output / "recipe.yaml"
    write_lines(output)
    text = (files("hf_lmt") / "sample" / "demo.yaml").read_text("utf-8")
    text = text.replace("{output}", str(output)).replace("{model}", MODEL)
    write_whole(recipe_path, text.encode())
    recipe = read_training_recipe(recipe_path)
    logger.info("\n1. Rows: what `hf-lmt prepare %s` writes", recipe_path)
    show_prepared(prepare(recipe.data, output / "rows", progress=False))
    logger.info("\n2. Training: what `hf-lmt train --config %s` does", recipe_path)
    train(recipe)
    logger.info("\n3. Translating and judging lines that were held out, before and after")
    base = trainable_source(locate(MODEL))
    models = {"before": base, "after": str(output / "model")}
    directions = list(map(str, recipe.data.directions))
    judged = {name: _judge(name, model, directions, output) for name, model in models.items()}
    show(judged, output)


def write_lines(output: Path) -> None:
    """Write every sixth line of the sample into held-out.jsonl, the others into lines.jsonl.

    Args:
        output (`Path`): Folder of the two files.
    """
    table = read_dataset(str(files("hf_lmt") / "sample" / "sentences.csv"))
    parts: dict[str, list[str]] = {"lines": [], "held-out": []}
    for index, line in enumerate(table.select_columns(list(LANGUAGES))):
        name = "held-out" if index % HELD_OUT == 0 else "lines"
        parts[name].append(json_text(line) + "\n")
    for name, lines in parts.items():
        write_whole(output / f"{name}.jsonl", "".join(lines).encode())


def _judge(name: str, model: str, directions: list[str], output: Path) -> Evaluation:
    logger.info("%s: %s", name, model)
    return evaluate(
        str(output / "held-out.jsonl"),
        output / name,
        model=model,
        directions=directions,
        metrics=["chrf++"],
        max_samples=JUDGED,
        **JUDGING,
    )


def show(judged: dict[str, Evaluation], output: Path) -> None:
    """Show both evaluations side by side, a few sentences of each, and what to type next.

    Prints tables, and writes the page demo.html beside `output`.

    Args:
        judged (`dict[str, Evaluation]`): The evaluations "before" and "after" training.
        output (`Path`): Folder of the demo.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, scores = Console(), Table("chrF++", *judged, box=SIMPLE_HEAD)
    figures = {name: evaluation.scores["directions"] for name, evaluation in judged.items()}
    for direction in figures["before"]:
        values = [directions[direction]["scores"]["chrf++"]["value"] for directions in figures.values()]
        scores.add_row(direction, *(f"{value:.1f}" for value in values))
    sentences = Table(*judged, box=SIMPLE_HEAD, title=f"{SHOWN} held-out lines, {EXAMPLE}")
    texts = [evaluation.hypotheses(parse_direction(EXAMPLE))[:SHOWN] for evaluation in judged.values()]
    for rows in zip(*texts, strict=True):
        sentences.add_row(*(Text(row["hypothesis"]) for row in rows))
    console.print(scores, sentences)
    page = output.parent / "demo.html"
    write_part(page, "hf-lmt demo", PAGE, _page_content(judged, output))
    logger.info(next_steps(output / "model", page, program("hf-lmt")))


def _page_content(judged: dict[str, Evaluation], output: Path) -> dict[str, Any]:
    """Gather the content of the page: scores and sentences before and after, and the curves between."""
    run: TrainedRecord = read_record(output / "model") or TrainedRecord()
    scores = [evaluation.scores["directions"] for evaluation in judged.values()]
    values = [
        (direction, *(figures[direction]["scores"]["chrf++"]["value"] for figures in scores))
        for direction in scores[0]
    ]
    direction = parse_direction(EXAMPLE)
    shown_lines = set_of(judged["before"]).lines(direction)
    hypotheses = [[row["hypothesis"] for row in evaluation.hypotheses(direction)] for evaluation in judged.values()]
    sources = [] if shown_lines is None else shown_lines.sources
    return {
        "steps": run["steps"],
        "rows": run["rows"]["used"],
        "model": MODEL_PACKAGE,
        "lines": len(sources),
        "scores": values,
        "pictures": [picture(output / "model" / SCORES, "chrF++ of each group while it trained")],
        "example": EXAMPLE,
        "sentences": list(zip(sources, *hypotheses, strict=True)),
    }


def next_steps(model: Path, page: Path, command: str) -> str:
    """Name the page to open, and what to type: to the model that was made, then on one's own data.

    Args:
        model (`Path`): Folder of the trained model.
        page (`Path`): The demo's page.
        command (`str`): How this program is called.

    Returns:
        `str`: Several lines.
    """
    return (
        f"The page: {page}\nThe card: {model / 'README.md'}\n\n"
        "Ask the model for something:\n\n"
        f"  echo 'Guten Morgen!' | {command} translate --model {shlex.quote(str(model))} "
        "--from de --to en\n\n"
        "Your own: CORPUS is a file, folder or Hub id with translations (TMX, TSV, a column per "
        "language):\n\n"
        f"  {command} inspect CORPUS"
    )


def _check_installed() -> None:
    locate(MODEL)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        extras = ",".join(sorted({NEEDED[name] for name in missing}))
        raise InputError(
            f"the demo needs {', '.join(missing)}, not installed here; run pip install 'hf-miwv-lmt[{extras}]'"
        )
