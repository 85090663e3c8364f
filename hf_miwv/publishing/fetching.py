"""A pushed folder, back from the Hub with its run.json and all."""

from __future__ import annotations

from pathlib import Path

from hf_miwv.errors import InputError
from hf_miwv.hub_errors import hub_error
from hf_miwv.reading import is_local

WORDS = {"dataset": "data set", "model": "model"}


def fetch_folder(
    source: str | Path,
    *,
    kind: str = "dataset",
    revision: str | None = None,
    config: str | None = None,
) -> Path:
    """A folder that is here as it is; one on the Hub as a copy in the client's cache.

    `datasets` and `transformers` load rows and weights by id on their own; this is for readers of
    what lies beside them (run.json, scores.json, adapters).

    Args:
        source: a folder, or OWNER/NAME.
        kind: of the repository, "dataset" or "model". revision: a branch or commit of it.
        config: what `push` was given; the folder of that name.

    Raises:
        InputError: it is neither here nor on the Hub, or cannot be had from there.
    """
    if is_local(str(source)):
        return Path(source).expanduser()
    from huggingface_hub import snapshot_download

    wanted = None if config is None else f"{config}/*"
    try:
        copy = Path(snapshot_download(
            str(source), repo_type=kind, revision=revision, allow_patterns=wanted
        ))  # fmt: skip
    except Exception as error:  # the client raises many kinds
        raise hub_error(WORDS[kind], str(source), error) from error
    if config is not None and not (copy / config).is_dir():
        raise InputError(f"{source}: has no configuration {config!r} that was pushed with --config")
    return copy if config is None else copy / config
