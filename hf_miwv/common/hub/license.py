"""Under which license rows came: what the card of their data set says."""

from __future__ import annotations

import logging
from pathlib import Path

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.folder_contents import CARD
from hf_miwv.common.hub.hub_card import split_card
from hf_miwv.common.reading.source import Source

logger = logging.getLogger(__name__)


def license_of(source: Source) -> str | list[str] | None:
    """Return the license, or licenses, by the Hub's names.

    Args:
        source (`Source`): The rows: a file has no card, a folder may have one, and a data set on the
            Hub has it in its repository.

    Returns:
        `str | list[str] | None`: The name or names; None where no card says any.
    """
    card = source.path / CARD if source.is_local else _card_on_hub(source)
    if card is None or not card.is_file():
        return None
    try:
        metadata, _ = split_card(card.read_text("utf-8"), str(card))
    except (InputError, OSError, UnicodeDecodeError) as error:
        logger.warning("the license of %s is not recorded: its card cannot be read (%s)", source, error)
        return None
    named = metadata.get("license")
    if isinstance(named, list):
        return [str(name) for name in named] or None
    return str(named) if named else None


def license_words(license: str | list[str] | None) -> str | None:
    """Write the license, or licenses, on one line.

    Args:
        license (`str | list[str]`, *optional*): The name or names.

    Returns:
        `str | None`: The line; None without a license.
    """
    return ", ".join(license) if isinstance(license, list) else license


def _card_on_hub(source: Source) -> Path | None:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(source.id, CARD, repo_type="dataset", revision=source.revision))
    except Exception as error:  # the client raises many kinds; the rows were read without it
        logger.debug("no card of %s: %s", source, error)
        return None
