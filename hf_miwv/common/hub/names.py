"""Names that the Hub takes for a repository: OWNER/NAME."""

from __future__ import annotations

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id


def repository_fault(name: str) -> str | None:
    """Say why the Hub does not take `name` as the name of a repository; None where it does.

    By the rules of the Hub's own client, and it must name its owner, too.

    Args:
        name (`str`): The name.

    Returns:
        `str | None`: The fault, in words.
    """
    if name.count("/") != 1 or not all(name.split("/")):
        return "it is not OWNER/NAME"
    try:
        validate_repo_id(name)
    except HFValidationError:
        rules = (
            (not name.isascii() or " " in name, "letters other than A-Z, a-z, 0-9, - _ and ."),
            (max(map(len, name.split("/"))) > 96, "an owner or name of more than 96 characters"),
            ("--" in name or ".." in name, "-- or .."),
            (name.endswith(".git"), ".git at its end"),
        )
        broken = [words for applies, words in rules if applies]
        if broken:
            return f"it has {broken[0]}"
        return "neither the owner nor the name may begin or end with - or ."
    return None


def is_repository(name: str) -> bool:
    """Check whether the Hub takes `name` as the name of a repository.

    Args:
        name (`str`): The name.

    Returns:
        `bool`: True where it does.
    """
    return repository_fault(name) is None
