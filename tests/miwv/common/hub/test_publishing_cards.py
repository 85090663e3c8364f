"""Cards of several configurations, the account of what was pushed, and words for refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.changes import Remote, find_changes
from hf_miwv.common.hub.folder_contents import CARD, hashed
from hf_miwv.common.hub.hub_card import HERE, add_config, join_card, keep_configs, split_card
from hf_miwv.common.hub.manifest import NAME, read_manifest, removable_paths, write_manifest


def card(name: str, body: str = "\n# Text\n", **metadata: Any) -> str:
    entry = {"config_name": name, "data_files": [{"split": "train", "path": "data/*.parquet"}]}
    return join_card({**metadata, "configs": [entry]}, body)


def names(text: str) -> list[tuple[str, bool, str]]:
    entries = split_card(text)[0]["configs"]
    return [(one["config_name"], one.get("default", False), one["data_files"][0]["path"]) for one in entries]


def test_the_first_configuration_is_the_default_and_stays_so() -> None:
    own = card("scored", tags=["a"], license="mit", pretty_name="Scored")
    one = add_config(None, own, "rows", "ada/data")
    assert names(one) == [("rows", True, "rows/data/*.parquet")]
    assert "pretty_name" not in split_card(one)[0]
    two = add_config(one, card("chosen", tags=["a", "b"], license="mit"), "best", "ada/data")
    assert names(two) == [
        ("rows", True, "rows/data/*.parquet"),
        ("best", False, "best/data/*.parquet"),
    ]
    assert split_card(two)[0]["tags"] == ["a", "b"]
    assert split_card(two)[0]["license"] == "mit"
    assert add_config(two, card("scored", tags=["a"], license="mit"), "rows", "ada/data") == two


def test_two_licenses_are_both_named() -> None:
    one = add_config(None, card("x", license="mit"), "a", "ada/data")
    two = add_config(one, card("x", license="cc-by-4.0"), "b", "ada/data")
    assert split_card(two)[0]["license"] == ["mit", "cc-by-4.0"]


def test_text_of_the_users_own_stays() -> None:
    one = add_config(None, card("x"), "a", "ada/data")
    edited = one.replace("# ada/data", "# My data").rstrip() + "\n\nMy words after it.\n"
    two = add_config(edited, card("x"), "b", "ada/data")
    assert "# My data" in two
    assert two.index("- `b`: [card](b/README.md)") < two.index("My words after it.")
    assert two.count("## Configurations") == 1


def test_a_foreign_configuration_is_not_taken_over() -> None:
    with pytest.raises(InputError, match="has a configuration 'a' that was not pushed with"):
        add_config(card("a"), card("x"), "a", "ada/data")


def test_a_whole_folder_beside_configurations() -> None:
    there = add_config(None, card("x"), "a", "ada/data")
    own = card("chosen", body="\n# Chosen\n")
    merged = keep_configs(there, own, ["a"], "ada/data")
    assert names(merged) == [("chosen", True, "data/*.parquet"), ("a", False, "a/data/*.parquet")]
    assert "# Chosen" in merged
    assert keep_configs(there, own, [], "ada/data") == own
    assert keep_configs(None, own, ["a"], "ada/data") == own
    with pytest.raises(InputError, match="has a configuration 'a' already; push with --config a"):
        keep_configs(there, card("a"), ["a"], "ada/data")


@pytest.mark.parametrize(
    ("text", "metadata", "body"),
    [
        ("---\na: 1\n---\nb\n", {"a": 1}, "b\n"),
        ("no head\n---\na: 1\n---\n", {}, "no head\n---\na: 1\n---\n"),
        ("---\n# nothing\n---\n", {}, ""),
        ("---\r\na: é\r\n---\r\nb", {"a": "é"}, "b"),
    ],
)
def test_split(text: str, metadata: dict[str, Any], body: str) -> None:
    assert split_card(text) == (metadata, body)


@pytest.mark.parametrize("text", ["---\n- a\n---\n", "---\na: [\n---\n"])
def test_metadata_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="its metadata"):
        split_card(text)


def test_languages_that_yaml_takes_for_something_else_survive() -> None:
    text = join_card({"language": ["no", "en"]}, "")
    assert yaml.safe_load(text.split("---\n")[1]) == {"language": ["no", "en"]}


def test_gone_are_only_our_own_files_as_we_left_them() -> None:
    earlier = {"kept": ["1"], "gone": ["2", "2g"], "edited": ["3"], "removed": ["4"]}
    there = {"kept": "1", "gone": "2g", "edited": "33", "theirs": "5"}
    assert removable_paths(earlier, {"kept"}, there) == ["gone"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 2, "pushed": {}}', b'{"format": 1}'])
def test_an_account_that_cannot_be_read(content: bytes) -> None:
    with pytest.raises(InputError, match=r"ada/data: its pushed.json cannot be read"):
        read_manifest(content, "ada/data")


def test_changes_know_one_configuration_from_another() -> None:
    """Files of another configuration stay, though they are not in this folder."""
    files = {"data/x": hashed(Path("x"), b"x")}
    manifest = write_manifest({"a": {"a/old": ["1"]}, "b": {"b/old": ["2"]}})
    remote = Remote("0" * 40, {"a/old": "1", "b/old": "2", NAME: "3"}, None, manifest)
    changes = find_changes(files, "a", remote, "ada/data")
    assert sorted(changes.add) == ["a/data/x", NAME]
    assert changes.remove == ["a/old"]
    assert changes.replaced == []
    written = read_manifest(changes.add[NAME].content, "ada/data")
    assert {name: sorted(own) for name, own in written.items()} == {
        "a": ["a/data/x"],
        "b": ["b/old"],
    }


def test_hashes_are_those_of_the_hub(tmp_path: Path) -> None:
    """git's own for "hello", as `git hash-object` gives it."""
    (tmp_path / "x").write_bytes(b"hello")
    for file in (hashed(tmp_path / "x"), hashed(Path(CARD), b"hello")):
        assert file.blob == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
        assert file.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        assert file.size == 5


@pytest.mark.parametrize(
    ("config", "loaded"),
    [
        (None, 'load("ada/data", split="a")'),
        ("rows", 'load("ada/data", "rows", split="a")'),
    ],
)
def test_examples_load_what_was_pushed(config: str | None, loaded: str, tmp_path: Path) -> None:
    text = card("x", f'\nload("{HERE}", split="a")\n--model {HERE} --from en\n')
    (tmp_path / CARD).write_text(text, "utf-8")
    remote = Remote("0" * 40, {}, None, None)
    changes = find_changes({CARD: hashed(tmp_path / CARD)}, config, remote, "ada/data")
    pushed = changes.add[f"{config}/{CARD}" if config else CARD].content
    assert pushed is not None
    assert f"\n{loaded}\n--model ada/data --from en\n" in pushed.decode()
    assert (tmp_path / CARD).read_text("utf-8") == text
