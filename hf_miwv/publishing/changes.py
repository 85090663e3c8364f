"""What one commit has to change, from what is here and what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_miwv.publishing.card import add_config, keep_configs
from hf_miwv.publishing.contents import CARD, LocalFile, hashed, read_text
from hf_miwv.publishing.manifest import (
    NAME,
    Manifest,
    gone,
    names_of,
    read_manifest,
    write_manifest,
)


@dataclass(frozen=True)
class Remote:
    """A revision as it stands.

    Attributes:
        commit: its id. names: path -> the Hub's name for the content (`LocalFile`).
        card, manifest: README.md and pushed.json, None where they are not there.
    """

    commit: str
    names: Mapping[str, str]
    card: str | None
    manifest: bytes | None


@dataclass(frozen=True)
class Changes:
    """`add`: by path in the repository. `remove`: files pushed earlier that are gone here.
    `replaced`: those of `add` in whose place is what somebody else has written."""

    add: dict[str, LocalFile]
    remove: list[str]
    replaced: list[str]


def find_changes(
    files: Mapping[str, LocalFile], config: str | None, remote: Remote, repository: str
) -> Changes:
    """The difference between a folder's files and a revision; files of others are not removed.

    Args:
        config: the configuration that the folder is to be, in a folder of that name; None for the
            whole repository.

    Raises:
        InputError: the card there, or pushed.json, cannot be built upon.
    """
    earlier = read_manifest(remote.manifest, repository)
    key, prefix = config or "", f"{config}/" if config else ""
    placed = {prefix + path: file for path, file in files.items()}
    merged = {CARD: _card(files, config, remote, earlier, repository)} if CARD in files else {}
    if config is None:
        placed |= merged
    pushed = {path: names_of(file) for path, file in placed.items()}
    placed |= merged | {NAME: hashed(Path(NAME), write_manifest({**earlier, key: pushed}))}
    add = {
        path: file for path, file in placed.items() if remote.names.get(path) not in names_of(file)
    }
    ours = {name for one in earlier.values() for names in one.values() for name in names}
    foreign = {path for path, name in remote.names.items() if name not in ours}
    built_upon = {NAME} if config is None else {NAME, CARD}
    return Changes(
        add,
        gone(earlier.get(key, {}), set(placed), remote.names),
        sorted((add.keys() & foreign) - built_upon),
    )


def _card(
    files: Mapping[str, LocalFile],
    config: str | None,
    remote: Remote,
    earlier: Manifest,
    repository: str,
) -> LocalFile:
    """The repository's card: the folder's own, or what it makes of the one that is there."""
    own = read_text(files[CARD])
    if config is not None:
        text = add_config(remote.card, own, config, repository)
    else:
        text = keep_configs(remote.card, own, [name for name in earlier if name], repository)
        if text == own:
            return files[CARD]
    return hashed(Path(CARD), text.encode())
