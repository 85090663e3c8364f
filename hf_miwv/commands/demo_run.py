"""The run of `hf-miwv demo`: two models from the package index, a sample data set, and a page."""

from __future__ import annotations

import logging
import shlex
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hf_miwv.app.row_views import view_row
from hf_miwv.app.scored_rows import ScoredRows
from hf_miwv.common.cards.demo_page import picture, write_part
from hf_miwv.common.cards.parts import TEMPLATES, shown_name
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, not_installed, package_folder, program
from hf_miwv.common.runs.folder import read_record
from hf_miwv.results.scored_record import Statistics
from hf_miwv.scoring.scoring import score
from hf_miwv.selection.selection import select

SHOWN = 3  # rows at each end
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
    rows = score(
        SAMPLE, str(model), embedder=str(embedder), output_dir=scored, origin={"license": "apache-2.0", **command_line}
    )
    kept = select(scored, fraction=fraction, output_dir=chosen, origin=command_line)
    statistics: Statistics = (read_record(scored) or {})["statistics"]
    logger.info(
        "%d rows: %d with a MIWV above zero, %d below; the highest %d are kept",
        len(rows),
        statistics["above_zero"],
        statistics["below_zero"],
        len(kept),
    )
    page = output.parent / "demo.html"
    write_part(page, "hf-miwv demo", TEMPLATES / "demo_rows.html.jinja", _page_content(scored))
    logger.info(next_steps(scored, chosen, page, program("hf-miwv")))


def _page_content(scored: Path) -> dict[str, Any]:
    """Return what the page shows: the highest and the lowest rows with their examples, and pictures."""
    rows = ScoredRows.open(scored, "the sample")
    groups = {}
    for heading, order in (("The highest", "MIWV, highest first"), ("The lowest", "MIWV, lowest first")):
        positions = rows.find(order, statuses=("ok",))[:SHOWN]
        groups[heading] = [
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
    pictures = {"miwv_histogram.png": "How the scores lie", "length_against_score.png": "Length against score"}
    return {
        "rows": len(rows),
        "model": shown_name(rows.run["model"]["source"]),
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
        f"\nThe page: {page}\nThe card: {chosen / 'README.md'}\n\n"
        "What other methods would keep of these rows, in seconds:\n\n"
        f"  {command} compare {quoted_scored} --output {quoted_comparison}\n\n"
        "Your own: DATA is a file, folder or Hub id (tatsu-lab/alpaca), MODEL the one to tune:\n\n"
        f"  {command} select DATA --model MODEL --fraction 0.01 --output chosen"
    )
