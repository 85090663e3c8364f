"""Cards as they go to the Hub: a base model that is there, several configurations in one card."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.folder_contents import ADAPTER, CARD
from hf_miwv.common.hub.names import is_repository, repository_fault
from hf_miwv.common.runs.json_text import json_text

BLOCK = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
CONFIG = re.compile(r"[\w-]+")
BEGIN, END = "<!-- configurations: begin -->", "<!-- configurations: end -->"
SECTION = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END) + r"\n?", re.DOTALL)
HERE = "<this folder or Hub id>"
BASE_KEY = "base_model_name_or_path"


def split_card(text: str, name: str = CARD) -> tuple[dict[str, Any], str]:
    """Split a card into its metadata and the text below.

    Args:
        text (`str`): The card.
        name (`str`, *optional*, defaults to `"README.md"`): Its name, for the message.

    Returns:
        `tuple[dict[str, Any], str]`: The metadata, and the text.

    Raises:
        InputError: the metadata is no YAML mapping.
    """
    block = BLOCK.match(text)
    if block is None:
        return {}, text
    try:
        metadata = yaml.safe_load(block.group(1)) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: its metadata cannot be read as YAML ({error})") from error
    if not isinstance(metadata, dict):
        raise InputError(f"{name}: its metadata is {metadata!r}; a mapping is needed")
    return metadata, text[block.end() :]


def join_card(metadata: dict[str, Any], body: str) -> str:
    """Write a card with this metadata at its head.

    Args:
        metadata (`dict[str, Any]`): The metadata.
        body (`str`): The text below.

    Returns:
        `str`: The card.
    """
    # An unlimited width: a long value that is folded over lines would be hard to read and to compare.
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10**6)
    return f"---\n{head}---\n{body}"


def with_base_model(folder: Path, base_model: str | None) -> dict[str, bytes]:
    """Write `base_model`, where there is one, into the card and the adapter's configuration.

    Args:
        folder (`Path`): The folder of the model; not changed.
        base_model (`str`, *optional*): OWNER/NAME.

    Returns:
        `dict[str, bytes]`: Path in the folder -> its changed content.

    Raises:
        InputError: it is no OWNER/NAME; or there is none, and the files name a local path.
    """
    if base_model is not None and (fault := repository_fault(base_model)):
        raise InputError(f"--base-model {base_model}: is no id on the Hub: {fault}; give OWNER/NAME")
    changed = {}
    card = folder / CARD
    if card.is_file():
        metadata, body = split_card(card.read_text("utf-8"), str(card))
        if base_model is not None:
            changed[CARD] = join_card({**metadata, "base_model": base_model}, body).encode()
        else:
            _check_base(metadata.get("base_model"), card)
    for name in (ADAPTER, f"adapter/{ADAPTER}"):  # the latter beside merged weights
        adapter = folder / name
        if not adapter.is_file():
            continue
        config = json.loads(adapter.read_text("utf-8"))
        if base_model is not None:
            text = json_text({**config, BASE_KEY: base_model}, indent=2)
            changed[name] = (text + "\n").encode()
        else:
            _check_base(config.get(BASE_KEY), adapter)
    return changed


def _check_base(base_models: Any, path: Path) -> None:
    for base in base_models if isinstance(base_models, list) else [base_models]:
        if base is not None and (not is_repository(str(base)) or Path(str(base)).exists()):
            raise InputError(
                f"{path}: the base model is {base!r}, a local path, which nobody else has; give "
                "--base-model OWNER/NAME, and it is written into what is pushed"
            )


def check_config(config: str, folder: Path) -> None:
    """Check that a folder can become a configuration of this name.

    Args:
        config (`str`): The name.
        folder (`Path`): The folder.

    Raises:
        InputError: a name that cannot be a configuration's, or a card with several configurations.
    """
    if not CONFIG.fullmatch(config):
        raise InputError(f"--config {config}: is no name for a configuration; give letters, digits, - and _")
    metadata, _ = split_card((folder / CARD).read_text("utf-8"), str(folder / CARD))
    entries = metadata.get("configs") or []
    if len(entries) != 1:
        raise InputError(
            f"--config {config}: {folder} has {len(entries)} configurations of its own, and goes "
            "to the Hub as a whole; leave --config out"
        )


def config_names(card: str | None) -> list[str]:
    """List the names of the configurations that a card declares.

    Args:
        card (`str`, *optional*): The card; None where there is none.

    Returns:
        `list[str]`: The names, in their order.
    """
    metadata, _ = split_card(card or "")
    return [str(entry.get("config_name")) for entry in metadata.get("configs") or []]


def default_config(card: str | None) -> str | None:
    """Name the configuration that `load_dataset` takes: that which the card calls so, else the first.

    Args:
        card (`str`, *optional*): The card; None where there is none.

    Returns:
        `str | None`: The name; None where the card declares none.
    """
    metadata, _ = split_card(card or "")
    entries = metadata.get("configs") or []
    default = next((entry for entry in entries if entry.get("default")), entries[0] if entries else {})
    return default.get("config_name")


def add_config(remote_card: str | None, local_card: str, config: str, repository: str) -> str:
    """Add the configuration `config` to the repository's card.

    Of the metadata, lists are united and all else stays as it is there (a name is not taken from
    one of several); the text stays, but for the section between the markers, which is written anew.
    The first configuration of a repository is its default.

    Args:
        remote_card (`str`, *optional*): The repository's card; None where it has none.
        local_card (`str`): The folder's card.
        config (`str`): Name of the configuration.
        repository (`str`): OWNER/NAME.

    Returns:
        `str`: The repository's new card.

    Raises:
        InputError: another folder's configuration has that name.
    """
    metadata, body = split_card(remote_card) if remote_card is not None else ({}, "")
    new, _ = split_card(local_card)
    new.pop("pretty_name", None)
    entries = list(metadata.get("configs") or [])
    entry = {**new["configs"][0], "config_name": config}
    # The folder becomes a folder in the repository, so its files are found one level deeper.
    entry["data_files"] = [{**files, "path": f"{config}/{files['path']}"} for files in entry["data_files"]]
    before = next((other for other in entries if other.get("config_name") == config), None)
    if before is not None and not _within(before, config):
        raise InputError(
            f"{repository}: has a configuration {config!r} that was not pushed with --config; "
            "give another name, or another repository"
        )
    entry.pop("default", None)
    if (before or {}).get("default"):
        entry["default"] = True
    merged = _united(metadata, new)
    merged["configs"] = _with_default(
        [*(entry if other is before else other for other in entries), *([entry] * (before is None))]
    )
    return join_card(merged, with_section(body or f"\n# {repository}\n", merged["configs"]))


def keep_configs(remote_card: str | None, local_card: str, kept: Sequence[str], repository: str) -> str:
    """Add the repository's configurations `kept` to the card of a folder that is pushed as a whole.

    Args:
        remote_card (`str`, *optional*): The repository's card; None where it has none.
        local_card (`str`): The folder's card.
        kept (`Sequence[str]`): Names of configurations that were pushed into folders of their own.
        repository (`str`): OWNER/NAME.

    Returns:
        `str`: The repository's new card.

    Raises:
        InputError: the folder has a configuration of the same name as one of those.
    """
    if remote_card is None or not kept:
        return local_card
    metadata, body = split_card(local_card)
    earlier, _ = split_card(remote_card)
    entries = list(metadata.get("configs") or [])
    for earlier_entry in earlier.get("configs") or []:
        name = earlier_entry.get("config_name")
        if name not in kept:
            continue
        if any(entry.get("config_name") == name for entry in entries):
            raise InputError(
                f"{repository}: has a configuration {name!r} already; push with --config {name}, "
                "or to another repository"
            )
        entries.append({key: value for key, value in earlier_entry.items() if key != "default"})
    entries = _with_default(entries)
    return join_card({**_united(metadata, earlier), "configs": entries}, with_section(body, entries))


def _with_default(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make the first entry the default where none says so: `load_dataset` would refuse to choose."""
    if any(entry.get("default") for entry in entries):
        return entries
    return [{**entries[0], "default": True}, *entries[1:]]


def with_examples(text: str, repository: str, config: str | None) -> str:
    """Write the id into a card's examples, which load HERE while they lie in a folder.

    Args:
        text (`str`): The card.
        repository (`str`): OWNER/NAME.
        config (`str`, *optional*): The configuration that the card is of, where its rows are one of several.

    Returns:
        `str`: The card.
    """
    loaded = f'"{repository}"' if config is None else f'"{repository}", "{config}"'
    return text.replace(f'"{HERE}"', loaded).replace(HERE, repository)


def with_section(body: str, entries: Sequence[dict[str, Any]]) -> str:
    """Write the list of configurations between its markers, at the end if it is new.

    Args:
        body (`str`): The text of the card, below its metadata.
        entries (`Sequence[dict[str, Any]]`): The card's `configs`.

    Returns:
        `str`: The text.
    """
    lines = [BEGIN, "## Configurations", ""]
    for entry in entries:
        name = entry.get("config_name")
        link = f"[card]({name}/{CARD})" if _within(entry, str(name)) else "above"
        lines.append(f"- `{name}`: {link}{', the default' if entry.get('default') else ''}")
    section = "\n".join([*lines, END]) + "\n"
    if SECTION.search(body):
        return SECTION.sub(lambda _: section, body, count=1)
    return f"{body.rstrip()}\n\n{section}" if body.strip() else section


def _within(entry: dict[str, Any], config: str) -> bool:
    files = entry.get("data_files")
    return isinstance(files, list) and all(
        isinstance(data_file, dict) and str(data_file.get("path")).startswith(f"{config}/") for data_file in files
    )


def _united(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Unite two mappings; lists are united, and of two licenses both are named."""
    merged = {**second, **first}
    for name in first.keys() & second.keys():
        value, other = first[name], second[name]
        if name == "license" and value != other:
            value, other = _many(value), _many(other)
        if isinstance(value, list) and isinstance(other, list):
            merged[name] = [*value, *(item for item in other if item not in value)]
    return merged


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
