"""Names to show for paths: the last part, and in the Hub's cache the repository."""

from __future__ import annotations

import re

# <cache>/models--OWNER--NAME/snapshots/COMMIT/file: the last part of a folder there is a hash.
CACHED = re.compile(
    r"(?:^|[/\\])(?:models|datasets|spaces)--(?P<name>[^/\\]+)"
    r"[/\\](?:snapshots[/\\](?P<commit>[0-9a-f]{40})(?:[/\\](?P<file>.+))?|blobs[/\\].+)"
)
SHORT = 8  # characters of a commit


def path_name(path: str) -> str:
    """Return the last part of a path, or what it is on the Hub where it lies in the Hub's cache.

    Args:
        path (`str`): A path, of this or another system.

    Returns:
        `str`: The name to show.

    >>> path_name("/home/me/alpaca.json")
    'alpaca.json'
    >>> path_name("/hub/models--Qwen--Qwen3-8B/snapshots/b968826d9c46dd6066d109eabc6255188de91218")
    'Qwen/Qwen3-8B@b968826d'
    """
    path = path.rstrip("/\\")
    cached = CACHED.search(path)
    if cached is None:
        return re.split(r"[/\\]", path)[-1]
    name = cached["name"].replace("--", "/", 1)
    if cached["commit"]:
        name += f"@{cached['commit'][:SHORT]}"
    return f"{name}/{cached['file']}" if cached["file"] else name
