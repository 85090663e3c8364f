"""YAML as people write it by hand, read strictly: each fault with its line."""

from __future__ import annotations

from typing import Any

import yaml

DEEPEST = 50  # levels of lists and mappings; a recipe has five


def read_yaml(text: str) -> Any:
    """Read a YAML document of plain values.

    Stricter than `yaml.safe_load`, which keeps the last of two equal keys without a word, and
    fails otherwise than by its own errors where a date does not exist or a list is nested deeply.

    Args:
        text (`str`): The document.

    Returns:
        `Any`: Mappings, lists and plain values.

    Raises:
        yaml.YAMLError: not YAML, a key that stands twice in a mapping, a value that cannot be (such
            as the date 2024-13-45), more than DEEPEST levels, a list or mapping inside itself.
    """
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506  a safe loader, and stricter


class _StrictLoader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[str | None] = []  # anchors of the lists and mappings that are being read

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._open:
            raise _fault(f"*{event.anchor} stands inside what it names", event.start_mark)
        if not isinstance(event, yaml.CollectionStartEvent):
            return super().compose_node(parent, index)
        if len(self._open) == DEEPEST:
            raise _fault(f"nested deeper than {DEEPEST} levels", event.start_mark)
        self._open.append(event.anchor)
        node = super().compose_node(parent, index)
        self._open.pop()
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            words = f"{str(node.value)[:40]!r} cannot be: {error}; put text in quotes"
            raise _fault(words, node.start_mark) from error


def _check_keys(mapping: yaml.MappingNode) -> None:
    """Raise where a key stands twice; before merges (<<), which may name a key again."""
    seen = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if (key.tag, key.value) in seen:
            raise _fault(f"the key {key.value!r} stands twice in this mapping", key.start_mark)
        seen.add((key.tag, key.value))


def _fault(words: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=words, problem_mark=mark)
