"""Parts that all cards share: names as shown, digests, commands, size categories."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_miwv.common.cards.markdown import single_line
from hf_miwv.common.hub.hub_names import path_name

TEMPLATES = Path(__file__).parents[2] / "templates"
SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+([@:].+)?")
FILE_ENDINGS = (
    ".json",
    ".jsonl",
    ".csv",
    ".parquet",
    ".arrow",
    ".gz",
    ".zst",
    ".gguf",
    ".jinja",
    ".yaml",
    ".yml",
    ".txt",
)


def markdown_environment() -> Any:
    """Make the Jinja environment for the templates of cards; a name that a template misspells is an error.

    Returns:
        `jinja2.Environment`: The environment.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the output is Markdown; `escape` and `table` guard it
    )


def run_digest(run: Mapping[str, Any]) -> str:
    """Digest a run's record, equal for runs that differ only in timing and command line.

    `load_dataset` keeps the rows of a local folder under the folder's name and its `configs`, not its
    path or the files' age. Without a word there that changes with the rows, it would open an earlier
    folder of the same name instead.

    Args:
        run (`Mapping[str, Any]`): The record (run.json).

    Returns:
        `str`: 16 hexadecimal digits.
    """
    text = json.dumps(_lasting(run), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lasting(run: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a record, and of the scoring's record inside it, the keys that the rows do not depend on."""
    passing = ("timing", "command_line")
    kept = {name: value for name, value in run.items() if name not in passing}
    if kept.get("package"):
        kept["package"] = {name: value for name, value in kept["package"].items() if name != "commit"}
    if kept.get("scored_run"):
        kept["scored_run"] = _lasting(kept["scored_run"])
    return kept


def size_category(rows: int) -> str:
    """Return the Hub's size bucket.

    Args:
        rows (`int`): Number of rows.

    Returns:
        `str`: The bucket, as in a card's `size_categories`.

    >>> [size_category(rows) for rows in (999, 1000, 52_002)]
    ['n<1K', '1K<n<10K', '10K<n<100K']
    """
    power = next((exponent for exponent in range(len(SIZES)) if rows < 1000 * 10**exponent), len(SIZES))
    if power == 0:
        return "n<1K"
    return f"{SIZES[power - 1]}<n<{SIZES[power]}" if power < len(SIZES) else "n>1T"


def data_name(run: Mapping[str, Any]) -> str:
    """Name the data set on one line, or in plain words where it has no name.

    Args:
        run (`Mapping[str, Any]`): The record (run.json).

    Returns:
        `str`: The name.
    """
    source = run["data"]["source"] if run["data"] else None
    return single_line(shown_name(source)) if source else "Instruction data"


def shown_name(source: str | None) -> str:
    """Show a Hub id (`owner/name`, also with a revision) whole, a local path by its last part.

    A path in the Hub's cache, whose last part is a hash, is shown by repository and commit.

    Args:
        source (`str`, *optional*): Hub id, address or path.

    Returns:
        `str`: The name to show.

    >>> shown_name("tatsu-lab/alpaca"), shown_name("/home/me/alpaca.json"), shown_name(None)
    ('tatsu-lab/alpaca', 'alpaca.json', 'not recorded')
    """
    if not source:
        return NOT_RECORDED
    if source.startswith(("http://", "https://")):
        return source
    if HUB_ID.fullmatch(source) and not source.lower().endswith(FILE_ENDINGS):
        return source
    return path_name(source) or source


def command_block(run: Mapping[str, Any]) -> str:
    """Write the run's command line, quoted for a shell, as a fenced block that it cannot close.

    Args:
        run (`Mapping[str, Any]`): The record (run.json).

    Returns:
        `str`: The block, or a sentence where the run was called from Python.
    """
    if not run["command_line"]:
        return "The command line was not recorded: it was called from Python."
    command = shlex.join(_shown_word(word) for word in run["command_line"])
    # A fence is closed by as many backticks as opened it, so it gets more than the command holds.
    longest = max((len(ticks) for ticks in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}bash\n{command}\n{fence}"


def _shown_word(word: str) -> str:
    """Show a word of the command line; a path, also behind `--option=`, by its last part."""
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return option + equals + (shown_name(value) if value else "")


NOT_RECORDED = "not recorded"


def on_hub(source: str | None) -> bool:
    """Check whether a name is an id on the Hub (owner/name): nothing of that name is here.

    Args:
        source (`str`, *optional*): Hub id or path.

    Returns:
        `bool`: True for an id on the Hub.
    """
    return bool(
        source and HUB_ID.fullmatch(source) and not source.lower().endswith(FILE_ENDINGS) and not Path(source).exists()
    )
