"""One file of a model on the Hub."""

from __future__ import annotations

from pathlib import Path

from hf_miwv.common.models.hub_errors import hub_error


def model_file(name: str, file: str, revision: str | None = None) -> Path | None:
    """A file of a model on the Hub, or in the cache of its client.

    None where the model has no such file; also where the model is gated, or the Hub cannot be
    reached and the cache has nothing: who loads the weights then says so.

    Raises:
        InputError: there is no such model, or not in this revision.
    """
    from transformers.utils import cached_file

    try:
        found = cached_file(
            name,
            file,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError as error:
        raise hub_error("model", name, error) from error
    return Path(found) if found else None
