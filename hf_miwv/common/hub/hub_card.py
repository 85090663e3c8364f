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
    """The metadata and the text below.

    Raises:
        InputError: the metadata is no YAML mapping.
    """
    found = BLOCK.match(text)
    if found is None:
        return {}, text
    try:
        metadata = yaml.safe_load(found.group(1)) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: its metadata cannot be read as YAML ({error})") from error
    if not isinstance(metadata, dict):
        raise InputError(f"{name}: its metadata is {metadata!r}; a mapping is needed")
    return metadata, text[found.end() :]


def join_card(metadata: dict[str, Any], body: str) -> str:
    """The card with this metadata at its head."""
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10**6)
    return f"---\n{head}---\n{body}"


def with_base_model(folder: Path, base_model: str | None) -> dict[str, bytes]:
    """The card and the adapter's configuration with `base_model` in them, where it is given.

    Raises:
        InputError: it is no OWNER/NAME; or none is given, and what they name is a local path.
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


def _check_base(given: Any, place: Path) -> None:
    for base in given if isinstance(given, list) else [given]:
        if base is not None and (not is_repository(str(base)) or Path(str(base)).exists()):
            raise InputError(
                f"{place}: the base model is {base!r}, a local path, which nobody else has; give "
                "--base-model OWNER/NAME, and it is written into what is pushed"
            )


def check_config(config: str, folder: Path) -> None:
    """Raises InputError for a name that cannot be a configuration's, or a card with several."""
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
    """The names of the configurations that a card declares."""
    metadata, _ = split_card(card or "")
    return [str(one.get("config_name")) for one in metadata.get("configs") or []]


def default_config(card: str | None) -> str | None:
    """The configuration that `load_dataset` takes: that which the card calls so, else the first."""
    metadata, _ = split_card(card or "")
    entries = metadata.get("configs") or []
    found = next((one for one in entries if one.get("default")), entries[0] if entries else {})
    return found.get("config_name")


def add_config(there: str | None, own: str, config: str, repository: str) -> str:
    """The repository's card with the configuration `config`, whose own card is `own`.

    Of the metadata, lists are united and all else stays as it is there (a name is not taken from
    one of several); the text stays, but for the section between the markers, which is written anew.
    The first configuration of a repository is its default.

    Raises:
        InputError: another folder's configuration has that name.
    """
    metadata, body = split_card(there) if there is not None else ({}, "")
    new, _ = split_card(own)
    new.pop("pretty_name", None)
    entries = list(metadata.get("configs") or [])
    entry = {**new["configs"][0], "config_name": config}
    entry["data_files"] = [{**files, "path": f"{config}/{files['path']}"} for files in entry["data_files"]]
    before = next((one for one in entries if one.get("config_name") == config), None)
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
        [*(entry if one is before else one for one in entries), *([entry] * (before is None))]
    )
    return join_card(merged, with_section(body or f"\n# {repository}\n", merged["configs"]))


def keep_configs(there: str | None, own: str, kept: Sequence[str], repository: str) -> str:
    """The card `own` of a folder pushed as a whole, with the repository's configurations `kept`.

    Raises:
        InputError: it has a configuration of the same name as one of those.
    """
    if there is None or not kept:
        return own
    metadata, body = split_card(own)
    earlier, _ = split_card(there)
    entries = list(metadata.get("configs") or [])
    for one in earlier.get("configs") or []:
        name = one.get("config_name")
        if name not in kept:
            continue
        if any(entry.get("config_name") == name for entry in entries):
            raise InputError(
                f"{repository}: has a configuration {name!r} already; push with --config {name}, "
                "or to another repository"
            )
        entries.append({key: value for key, value in one.items() if key != "default"})
    entries = _with_default(entries)
    return join_card({**_united(metadata, earlier), "configs": entries}, with_section(body, entries))


def _with_default(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first one is the default where none says so: `load_dataset` would refuse to choose."""
    if any(entry.get("default") for entry in entries):
        return entries
    return [{**entries[0], "default": True}, *entries[1:]]


def with_examples(text: str, repository: str, config: str | None) -> str:
    """The card with the id in its examples, which load HERE while they lie in a folder.

    Args:
        config: the configuration that the card is of, where its rows are one of several.
    """
    loaded = f'"{repository}"' if config is None else f'"{repository}", "{config}"'
    return text.replace(f'"{HERE}"', loaded).replace(HERE, repository)


def with_section(body: str, entries: Sequence[dict[str, Any]]) -> str:
    """The text with the list of configurations between its markers, at the end if it is new."""
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
        isinstance(one, dict) and str(one.get("path")).startswith(f"{config}/") for one in files
    )


def _united(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both mappings; lists are united, and of two licenses both are named."""
    merged = {**second, **first}
    for name in first.keys() & second.keys():
        one, other = first[name], second[name]
        if name == "license" and one != other:
            one, other = _many(one), _many(other)
        if isinstance(one, list) and isinstance(other, list):
            merged[name] = [*one, *(value for value in other if value not in one)]
    return merged


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
