"""Under which license rows came: what the card of their data set says."""

from __future__ import annotations

import logging
from pathlib import Path

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.folder_contents import CARD
from hf_miwv.common.hub.hub_card import split_card
from hf_miwv.common.reading.reading import is_local

logger = logging.getLogger(__name__)


def license_of(data: str, revision: str | None = None) -> str | list[str] | None:
    """Return the license, or licenses, by the Hub's names.

    Args:
        data (`str`): DATA as it is read: a file has no card, a folder may have one, and a data set on the
            Hub has it in its repository.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.

    Returns:
        `str | list[str] | None`: The name or names; None where no card says any.
    """
    path = Path(data).expanduser()
    card = path / CARD if is_local(data) else _card_on_hub(data, revision)
    if card is None or not card.is_file():
        return None
    try:
        metadata, _ = split_card(card.read_text("utf-8"), str(card))
    except (InputError, OSError, UnicodeDecodeError) as error:
        logger.warning("the license of %s is not recorded: its card cannot be read (%s)", data, error)
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


def _card_on_hub(data: str, revision: str | None) -> Path | None:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(data, CARD, repo_type="dataset", revision=revision))
    except Exception as error:  # the client raises many kinds; the rows were read without it
        logger.debug("no card of %s: %s", data, error)
        return None
