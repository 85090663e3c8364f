"""`hf-lmt demo`: the real job, small: sample corpus -> rows -> training -> translations, scored."""

from __future__ import annotations

import logging
import shlex
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.data.prepare.prepared_record import PreparedRecord
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
from hf_miwv.common.demo_lines import demo_lines
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.processor import fast_dtype
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.recipes.packages import MODEL_NAME, MODEL_PACKAGE, locate, program
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.trainer.trainable import trainable_source

MODEL = f"package:{MODEL_PACKAGE}"
LANGUAGES = ("en", "de", "es", "nl")
HELD_OUT = 6  # of so many lines, one is kept for judging
JUDGED = 8  # of them, in each direction
SHOWN, EXAMPLE = 2, "de-en"  # lines that are shown in translation
NEEDED = {"gguf": "gguf", "peft": "train", "trl": "train", "sacrebleu": "evaluate"}
JUDGING: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 48}  # greedy, and quick
# These warn that overlap with evaluation sets is not checked. The demo holds its lines out itself.
UNCHECKED = ("hf_lmt.data.prepare.prepare", "hf_lmt.evaluation.evaluation_plan")

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
    dtype = fast_dtype()
    text = (files("hf_lmt") / "sample" / "demo.yaml").read_text("utf-8")
    text = text.replace("{output}", str(output)).replace("{model}", MODEL)
    text = text.replace("{bf16}", "true" if dtype == "bfloat16" else "false")
    write_whole(recipe_path, text.encode())
    recipe = read_training_recipe(recipe_path)
    with demo_lines(logger, silent=UNCHECKED):
        logger.info("1. Rows: what `hf-lmt prepare %s` writes", recipe_path)
        _tell_prepared(prepare(recipe.data, output / "rows", progress=False))
        logger.info("2. Training in %s: what `hf-lmt train --config %s` does", dtype, recipe_path)
        _tell_trained(train(recipe))
        logger.info("3. Translating and judging lines that were held out, before and after")
        models = {"before": trainable_source(locate(MODEL)), "after": str(output / "model")}
        directions = list(map(str, recipe.data.directions))
        judged = {name: _judge(model, directions, output / name, dtype) for name, model in models.items()}
        show(judged, output)


def _tell_prepared(run: PreparedRecord) -> None:
    counts = run["counts"]["groups"]["all"]
    logger.info(
        "%d rows read; Strategic Downsampling leaves out %d and keeps %d, of which %d have a hint in a third language",
        counts["read"],
        counts["downsampled"],
        counts["rows"],
        counts["hinted"],
    )


def _tell_trained(run: TrainedRecord) -> None:
    losses = [entry["loss"] for entry in run["loss_curve"]]
    logger.info(
        "%d steps, an adapter of %.1f million weights: loss %.2f at first, %.2f at last",
        run["steps"],
        run["model"]["trained_parameters"] / 1e6,
        losses[0],
        losses[-1],
    )


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


def _judge(model: str, directions: list[str], folder: Path, dtype: str) -> Evaluation:
    return evaluate(
        str(folder.parent / "held-out.jsonl"),
        folder,
        model=model,
        directions=directions,
        metrics=["chrf++"],
        max_samples=JUDGED,
        dtype=dtype,
        **JUDGING,
    )


def show(judged: dict[str, Evaluation], output: Path) -> None:
    """Show both evaluations side by side, a few sentences of each, and what to type next.

    Prints a table, and writes the page demo.html beside `output`.

    Args:
        judged (`dict[str, Evaluation]`): The evaluations "before" and "after" training.
        output (`Path`): Folder of the demo.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    scores = Table("chrF++", *judged, box=SIMPLE_HEAD, pad_edge=False)
    figures = {name: evaluation.scores["directions"] for name, evaluation in judged.items()}
    for direction in figures["before"]:
        values = [directions[direction]["scores"]["chrf++"]["value"] for directions in figures.values()]
        scores.add_row(direction, *(f"{value:.1f}" for value in values))
    console.print(scores)
    for lines in _example_lines(judged)[:SHOWN]:
        for name, line in zip((EXAMPLE, *judged), lines, strict=True):
            console.print(Text(f"{name:>8}  {' '.join(line.split())}"), overflow="ellipsis", no_wrap=True)
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
    examples = _example_lines(judged)
    return {
        "steps": run["steps"],
        "rows": run["rows"]["used"],
        "model": MODEL_NAME,
        "lines": len(examples),
        "scores": values,
        "pictures": [picture(output / "model" / SCORES, "chrF++ of each group while it trained")],
        "example": EXAMPLE,
        "sentences": examples,
    }


def _example_lines(judged: dict[str, Evaluation]) -> list[tuple[str, ...]]:
    """Return the source of each judged line of EXAMPLE, with its translations before and after."""
    direction = parse_direction(EXAMPLE)
    lines = set_of(judged["before"]).lines(direction)
    sources = [] if lines is None else lines.sources
    hypotheses = [[row["hypothesis"] for row in evaluation.hypotheses(direction)] for evaluation in judged.values()]
    return list(zip(sources, *hypotheses, strict=True))


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
        f"The page: {page}\nThe card: {model / 'README.md'}\n"
        "Ask the model for something:\n"
        f"  echo 'Guten Morgen!' | {command} translate --model {shlex.quote(str(model))} --from de --to en\n"
        "Your own: CORPUS is a file, folder or Hub id with translations (TMX, TSV, a column per language):\n"
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
