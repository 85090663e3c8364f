"""The changes that one commit has to make, from the local files and those on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_miwv.common.hub.folder_contents import CARD, LocalFile, hashed, read_text
from hf_miwv.common.hub.hub_card import add_config, config_names, keep_configs, with_examples
from hf_miwv.common.hub.manifest import NAME, Manifest, gone, names_of, read_manifest, write_manifest


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
    `replaced`: those of `add` in whose place is what somebody else has written. `config`: the
    configuration that the folder becomes, None for the whole repository."""

    add: dict[str, LocalFile]
    remove: list[str]
    replaced: list[str]
    config: str | None = None


def find_changes(files: Mapping[str, LocalFile], config: str | None, remote: Remote, repository: str) -> Changes:
    """Find the difference between a folder's files and a revision; files of others are not removed.

    Args:
        config: the configuration that the folder is to be, in a folder of that name; None for
            what `_place` finds.

    Raises:
        InputError: the card there, or pushed.json, cannot be built upon.
    """
    earlier = read_manifest(remote.manifest, repository)
    config = _place(files, config, remote, earlier)
    if CARD in files:
        own = with_examples(read_text(files[CARD]), repository, config)
        files = {**files, CARD: hashed(files[CARD].place, own.encode())}
    key, prefix = config or "", f"{config}/" if config else ""
    placed = {prefix + path: file for path, file in files.items()}
    merged = {CARD: _card(files, config, remote, earlier, repository)} if CARD in files else {}
    if config is None:
        placed |= merged
    pushed = {path: names_of(file) for path, file in placed.items()}
    manifest = {**earlier, key: pushed}
    if config is not None and remote.names.get(CARD) in earlier.get("", {}).get(CARD, []):
        manifest[""] = {**earlier[""], CARD: names_of(merged[CARD])}  # still nobody else's
    placed |= merged | {NAME: hashed(Path(NAME), write_manifest(manifest))}
    add = {path: file for path, file in placed.items() if remote.names.get(path) not in names_of(file)}
    ours = {name for one in earlier.values() for names in one.values() for name in names}
    foreign = {path for path, name in remote.names.items() if name not in ours}
    built_upon = {NAME} if config is None else {NAME, CARD}
    return Changes(
        add,
        gone(earlier.get(key, {}), set(placed), remote.names),
        sorted((add.keys() & foreign) - built_upon),
        config,
    )


def _place(files: Mapping[str, LocalFile], config: str | None, remote: Remote, earlier: Manifest) -> str | None:
    """`config` where it is given; else the whole repository, unless other rows are there.

    Rows whose own card has one configuration ("scored", "chosen") never take the place of others:
    where the repository holds a configuration of another name, or has had this one beside others
    before, they become a configuration of that name.
    """
    if config is not None or CARD not in files:
        return config
    names = config_names(read_text(files[CARD]))
    if len(names) != 1:
        return None
    there = set(config_names(remote.card)) - earlier.keys() if "" in earlier else set()
    return names[0] if names[0] in earlier or (there and names[0] not in there) else None


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
