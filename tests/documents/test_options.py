"""The pages of options and recipe keys are what the programs say today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {  # script -> page, and what it has to say
    "generate_options": ("options", "## hf-lmt recipe copy\n", "| `--fraction` | "),
    "generate_recipe_keys": (
        "recipe-keys",
        "#### `length_ratio` (applied by default)\n",
        "| `global_batch_size` | int",
    ),
}


@pytest.mark.parametrize("script", PAGES)
def test_the_page_is_up_to_date(script: str) -> None:
    page, *parts = PAGES[script]
    if page == "recipe-keys":
        pytest.importorskip("trl")
        pytest.importorskip("peft")
    text = runpy.run_path(str(ROOT / "docs" / f"{script}.py"))["page"]()
    assert (ROOT / "docs" / f"{page}.md").read_text("utf-8") == text, "run make options"
    assert all(part in text for part in parts)
