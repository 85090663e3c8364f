"""One file of a model on the Hub."""

from __future__ import annotations

from pathlib import Path

from hf_miwv.common.models.hub_errors import hub_error


def model_file(name: str, file: str, revision: str | None = None) -> Path | None:
    """Fetch one file of a model on the Hub, or take it from the cache of its client.

    Args:
        name (`str`): OWNER/NAME.
        file (`str`): The file's path in the repository.
        revision (`str`, *optional*): Branch, tag or commit.

    Returns:
        `Path | None`: The file in the cache. None where the model has no such file; also where the model is
        gated, or the Hub cannot be reached and the cache has nothing: who loads the weights then says so.

    Raises:
        InputError: there is no such model, or not in this revision.
    """
    from transformers.utils import cached_file

    try:
        cached_path = cached_file(
            name,
            file,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError as error:
        raise hub_error("model", name, error) from error
    return Path(cached_path) if cached_path else None
