"""A source of rows or weights: a path on this machine, or an id on the Hub with its revision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.hub_names import path_name
from hf_miwv.common.recipes.packages import locate

FILE_FORMATS = {  # file ending -> builder of the `datasets` library
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
GZIPPED_FORMATS = ("json", "csv")


@dataclass(frozen=True)
class Source:
    """A data set, a model, or a folder of a command: parsed once, where a user names it.

    Args:
        id (`str`): The path as it was written, or the id on the Hub without its revision.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.
        split (`str`, *optional*): Name or slice, such as "train[:100]"; by default "train", or the only
            split.
        config (`str`, *optional*): Configuration of a Hub data set, or of a folder with several.
        field (`str`, *optional*): Key of a JSON document under which its rows lie; by default the only
            key that holds a list of objects.
    """

    id: str
    revision: str | None = None
    split: str | None = None
    config: str | None = None
    field: str | None = None

    @classmethod
    def parse(
        cls,
        text: str | os.PathLike[str] | Source,
        revision: str | None = None,
        *,
        split: str | None = None,
        config: str | None = None,
        field: str | None = None,
    ) -> Source:
        """Parse a path, package:NAME/PATH, or OWNER/NAME or OWNER/NAME@REVISION on the Hub.

        An existing path is taken as it is, also with an @ in its name.

        >>> Source.parse("ada/model@step-100")
        Source(id='ada/model', revision='step-100', split=None, config=None, field=None)

        Args:
            text (`str | PathLike | Source`): The path or id; a parsed source is returned as it is.
            revision (`str`, *optional*): As in the class; also behind the @, but not another one there.
            split (`str`, *optional*): As in the class.
            config (`str`, *optional*): As in the class.
            field (`str`, *optional*): As in the class.

        Returns:
            `Source`: The source.

        Raises:
            InputError: An @ without a revision, or another revision than `revision`; a package that is not
                installed.
        """
        if isinstance(text, Source):
            return text
        written = locate(os.fspath(text))
        name, at, behind = written.partition("@")
        if not at or Path(written).expanduser().exists() or _is_local(name):
            return cls(written, revision, split, config, field)
        if not behind:
            raise InputError(f"{written}: names no revision after the @; give {name}@REVISION")
        if revision not in (None, behind):
            raise InputError(f"{written}: names another revision than --revision {revision}; give one")
        return cls(name, behind, split, config, field)

    def __str__(self) -> str:
        return self.id

    @cached_property
    def is_local(self) -> bool:
        """Return whether the source is a file or folder on this machine, or is written like the path of one.

        A path has a known file ending, starts with `.`, `/` or `~`, or has more than one slash.
        """
        return _is_local(self.id)

    @property
    def path(self) -> Path:
        """Return the path on this machine, with the home folder in place of `~`."""
        return Path(self.id).expanduser()

    @property
    def local_path(self) -> Path | None:
        """Return the path on this machine; None for a source on the Hub."""
        return self.path if self.is_local else None

    @property
    def name(self) -> str:
        """Return the name to show and record: the last part of a path, or the id on the Hub."""
        return path_name(self.id) if self.is_local else self.id

    def facts(self) -> dict[str, str | None]:
        """Return the facts for run.json, which name no folder of this machine.

        Returns:
            `dict[str, str | None]`: "source", "split", "config", "revision" and "field".
        """
        return {
            "source": self.name,
            "split": self.split,
            "config": self.config,
            "revision": self.revision,
            "field": self.field,
        }


def file_format_of(path: Path) -> str | None:
    """Return the library's builder for a file's ending, .gz taken off.

    Args:
        path (`Path`): The file.

    Returns:
        `str | None`: "json", "csv", "parquet" or "arrow"; None for an ending that is not known.
    """
    if path.suffix.lower() == ".gz":
        inner = FILE_FORMATS.get(Path(path.stem).suffix.lower())
        return inner if inner in GZIPPED_FORMATS else None
    return FILE_FORMATS.get(path.suffix.lower())


def _is_local(written: str) -> bool:
    return (
        Path(written).expanduser().exists()
        or file_format_of(Path(written)) is not None
        or written.startswith((".", "/", "~"))
        or written.count("/") > 1
    )
