"""The changes that one commit has to make, from the local files and those on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_miwv.common.hub.folder_contents import CARD, LocalFile, hashed, read_text
from hf_miwv.common.hub.hub_card import add_config, config_names, keep_configs, with_examples
from hf_miwv.common.hub.manifest import NAME, Manifest, names_of, read_manifest, removable_paths, write_manifest


@dataclass(frozen=True)
class Remote:
    """Hold a revision as it stands.

    Attributes:
        commit (`str`): Its id.
        names (`Mapping[str, str]`): Path -> the Hub's name for the content (`LocalFile`).
        card (`str`, *optional*): README.md, None where it does not exist.
        manifest (`bytes`, *optional*): pushed.json, None where it does not exist.
    """

    commit: str
    names: Mapping[str, str]
    card: str | None
    manifest: bytes | None


@dataclass(frozen=True)
class Changes:
    """Hold the changes of one commit.

    Attributes:
        add (`dict[str, LocalFile]`): Files to write, by path in the repository.
        remove (`list[str]`): Files pushed earlier that are gone here.
        replaced (`list[str]`): Paths of `add` at which the Hub has content that somebody else has written.
        config (`str`, *optional*): The configuration that the folder becomes, None for the whole repository.
    """

    add: dict[str, LocalFile]
    remove: list[str]
    replaced: list[str]
    config: str | None = None


def find_changes(files: Mapping[str, LocalFile], config: str | None, remote: Remote, repository: str) -> Changes:
    """Find the difference between a folder's files and a revision; files of others are not removed.

    Args:
        files (`Mapping[str, LocalFile]`): The folder's files, by path in the folder.
        config (`str`, *optional*): The configuration that the folder is to be, in a folder of that name; None
            for that of `_config_of`.
        remote (`Remote`): The revision.
        repository (`str`): OWNER/NAME.

    Returns:
        `Changes`: The difference.

    Raises:
        InputError: the card there, or pushed.json, cannot be built upon.
    """
    earlier = read_manifest(remote.manifest, repository)
    config = _config_of(files, config, remote, earlier)
    if CARD in files:
        card_text = with_examples(read_text(files[CARD]), repository, config)
        files = {**files, CARD: hashed(files[CARD].path, card_text.encode())}
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
    # The Hub names content by its hash, so equal files are known without a download and not sent again.
    add = {path: file for path, file in placed.items() if remote.names.get(path) not in names_of(file)}
    ours = {name for pushed_files in earlier.values() for names in pushed_files.values() for name in names}
    # Only content that pushed.json lists is ours to replace or remove in silence.
    foreign = {path for path, name in remote.names.items() if name not in ours}
    built_upon = {NAME} if config is None else {NAME, CARD}
    return Changes(
        add,
        removable_paths(earlier.get(key, {}), set(placed), remote.names),
        sorted((add.keys() & foreign) - built_upon),
        config,
    )


def _config_of(files: Mapping[str, LocalFile], config: str | None, remote: Remote, earlier: Manifest) -> str | None:
    """Return `config` where it is asked for; else the whole repository, unless other rows are there.

    Rows whose own card has one configuration ("scored", "chosen") never take the place of others:
    where the repository holds a configuration of another name, or has had this one beside others
    before, they become a configuration of that name.
    """
    if config is not None or CARD not in files:
        return config
    names = config_names(read_text(files[CARD]))
    if len(names) != 1:
        return None
    remote_configs = set(config_names(remote.card)) - earlier.keys() if "" in earlier else set()
    return names[0] if names[0] in earlier or (remote_configs and names[0] not in remote_configs) else None


def _card(
    files: Mapping[str, LocalFile],
    config: str | None,
    remote: Remote,
    earlier: Manifest,
    repository: str,
) -> LocalFile:
    """Make the repository's card: that of the folder, or the repository's with the folder's part in it."""
    local_card = read_text(files[CARD])
    if config is not None:
        text = add_config(remote.card, local_card, config, repository)
    else:
        text = keep_configs(remote.card, local_card, [name for name in earlier if name], repository)
        if text == local_card:
            return files[CARD]
    return hashed(Path(CARD), text.encode())
