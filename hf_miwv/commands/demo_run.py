"""The run of `hf-miwv demo`: two models from the package index, a sample data set, and a page."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.app.row_views import view_row
from hf_miwv.app.scored_rows import ScoredRows
from hf_miwv.common.cards.demo_page import picture, write_part
from hf_miwv.common.cards.parts import TEMPLATES
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console
from hf_miwv.common.demo_lines import demo_lines
from hf_miwv.common.models.processor import fast_dtype
from hf_miwv.common.recipes.packages import (
    EMBEDDER_PACKAGE,
    MODEL_NAME,
    MODEL_PACKAGE,
    not_installed,
    package_folder,
    program,
)
from hf_miwv.results.methods import RANDOM_BY_LENGTH, method_scores
from hf_miwv.results.scored_record import Statistics
from hf_miwv.scoring.scoring import score
from hf_miwv.selection.selection import select

SHOWN = 3  # rows at each end
UNTRUE = ("wrong", "noisy")  # labels of the sample's column `quality`
DRAWS = 100  # random choices that the highest rows are held beside
PROMPT_WIDTH = 48  # characters of a prompt in the table
PRECISIONS = {
    "bfloat16": "bfloat16, which this processor has instructions for",
    "float32": "float32; where the processor has instructions for bfloat16, that is quicker",
}
SAMPLE = Path(str(resources.files("hf_miwv") / "sample" / "instructions.jsonl"))

logger = logging.getLogger(__name__)


def run_demo(output: Path, fraction: str) -> None:
    """Score the sample into output/scored, keep the top share in output/chosen, name the next steps.

    Args:
        output (`Path`): The folder.
        fraction (`str`): Share of the rows to keep.

    Raises:
        InputError: the small models are not installed.
    """
    model = package_folder(MODEL_PACKAGE)
    embedder = package_folder(EMBEDDER_PACKAGE) / "model"
    if find_spec("gguf") is None:
        raise not_installed("gguf")
    scored, chosen = output / "scored", output / "chosen"
    command_line = {"command_line": [program("hf-miwv"), *sys.argv[1:]]}
    dtype = fast_dtype()
    with demo_lines(logger):
        logger.info("1. How well does %s know each row of the sample? (%s)", MODEL_NAME, PRECISIONS[dtype])
        scored_rows = score(
            SAMPLE,
            str(model),
            embedder=str(embedder),
            dtype=dtype,
            output_dir=scored,
            origin={"license": "apache-2.0", **command_line},
        )
        kept = select(scored, fraction=fraction, output_dir=chosen, origin=command_line)
        rows = ScoredRows.open(scored, "the sample")
        ends = _ends(rows)
        _show(rows, ends, len(kept))
        labels = compare_labels(scored_rows)
        logger.info(labels)
        page = output.parent / "demo.html"
        content = {**_page_content(scored, rows, ends), "labels": labels}
        write_part(page, "hf-miwv demo", TEMPLATES / "demo_rows.html.jinja", content)
        logger.info(next_steps(scored, chosen, page, program("hf-miwv")))


def compare_labels(scored: Dataset) -> str:
    """Say how many of the highest tenth are labeled wrong or noisy, beside random rows of the same lengths.

    Args:
        scored (`Dataset`): The sample's rows with their scores, and the column `quality`.

    Returns:
        `str`: The sentence, with the middle 95 % of the random choices.
    """
    is_untrue = np.isin(scored["quality"], UNTRUE)
    by_miwv = method_scores(scored, "miwv")
    count = int(np.isfinite(by_miwv).sum()) // 10

    def share(scores: np.ndarray) -> float:
        # Rows without a score are nan, and stand last.
        return float(is_untrue[np.argsort(-scores, kind="stable")[:count]].mean())

    by_chance = [share(method_scores(scored, RANDOM_BY_LENGTH, seed)) for seed in range(DRAWS)]
    low, high = np.percentile(by_chance, (2.5, 97.5))
    return (
        f"Of the highest tenth {share(by_miwv):.1%} are labeled wrong or noisy in the sample, of random rows of the "
        f"same lengths {np.mean(by_chance):.1%} (95 %: {low:.0%} to {high:.0%}): whether a row is right MIWV does "
        "not know"
    )


def _ends(rows: ScoredRows) -> dict[str, list[int]]:
    """Return the positions of the highest and of the lowest rows."""
    orders = {"The highest": "MIWV, highest first", "The lowest": "MIWV, lowest first"}
    return {heading: rows.find(order, statuses=("ok",))[:SHOWN].tolist() for heading, order in orders.items()}


def _show(rows: ScoredRows, ends: Mapping[str, list[int]], kept: int) -> None:
    """Print how many rows a worked example does not help, and the table of the highest and lowest."""
    statistics: Statistics = rows.run["statistics"]
    logger.info(
        "2. A worked example helps with %d of %d rows, and does not with %d; kept are the %d highest",
        statistics["below_zero"],
        len(rows),
        statistics["above_zero"],
        kept,
    )
    table = new_table("", "row", "prompt", "MIWV", "loss", "with its example", words=2)
    for heading, positions in ends.items():
        for position in positions:
            values = (rows.columns.miwv, rows.columns.loss_zero_shot, rows.columns.loss_one_shot)
            prompt = plain(shorten(rows.read(position).bare_prompt, PROMPT_WIDTH, placeholder="…"))
            table.add_row(heading, prompt, *(f"{values_of[position]:.2f}" for values_of in values))
    stderr_console().print(table)


def _page_content(scored: Path, rows: ScoredRows, ends: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return what the page shows: the highest and the lowest rows with their examples, and pictures."""
    groups = {
        heading: [
            {
                "miwv": rows.columns.miwv[position],
                "zero_shot": rows.columns.loss_zero_shot[position],
                "one_shot": rows.columns.loss_one_shot[position],
                "prompt": (view := view_row(rows, int(rows.columns.row[position]))).prompt,
                "response": view.response,
                "example_prompt": view.neighbor_prompt,
                "example_response": view.neighbor_response,
            }
            for position in positions
        ]
        for heading, positions in ends.items()
    }
    pictures = {"miwv_histogram.png": "How the scores lie", "length_against_score.png": "Length against score"}
    return {
        "rows": len(rows),
        "model": f"{MODEL_NAME} in {rows.run['model']['dtype']}",
        "pictures": [picture(scored / name, words) for name, words in pictures.items()],
        "groups": groups,
    }


def next_steps(scored: Path, chosen: Path, page: Path, command: str) -> str:
    """Name the page to open, and the commands to type: on the same rows, then on one's own.

    Args:
        scored (`Path`): Folder of the scored rows.
        chosen (`Path`): Folder of the chosen rows.
        page (`Path`): The page with rows and pictures.
        command (`str`): The shell command that starts us.

    Returns:
        `str`: The lines.
    """
    quoted_scored, quoted_comparison = (
        shlex.quote(str(folder)) for folder in (scored, scored.with_name("comparison"))
    )
    return (
        f"The page: {page}\nThe card: {chosen / 'README.md'}\n"
        "What other methods would keep of these rows, in seconds:\n"
        f"  {command} compare {quoted_scored} --output {quoted_comparison}\n"
        "Your own: DATA is a file, folder or Hub id (tatsu-lab/alpaca), MODEL the one to tune:\n"
        f"  {command} select DATA --model MODEL --fraction 0.01 --output chosen"
    )
