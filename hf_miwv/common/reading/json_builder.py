"""The JSON builder of `datasets` with rows and types of our own; splits and cache stay its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Features, IterableDataset, SplitGenerator
from datasets.builder import Key
from datasets.packaged_modules.json.json import Json
from datasets.table import table_cast

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import json_rows
from hf_miwv.common.reading.json_types import RowTypes, rows_table
from hf_miwv.common.reading.kinds import describe

BLOCK = 1000  # rows in memory at a time

File = tuple[str, str]  # where it lies on this disk, and what messages call it


class ExactJson(Json):
    """Read every row as it stands in its file, unless the data set's card declares other types.

    The types are those of all rows, found in a first pass; the second writes them. The rows of all
    files and splits have one set of columns, that of the first file, as in the library.
    """

    shown: str | None = None  # what messages call the file, where there is one alone

    def _split_generators(self, dl_manager: Any) -> list[SplitGenerator]:
        downloaded = dl_manager.download(self.config.data_files)
        extracted = dl_manager.extract(downloaded)
        splits: dict[str, list[File]] = {}
        for split, originals in self.config.data_files.items():
            splits[split] = []
            for original, path in zip(originals, extracted[split], strict=True):
                name = self.shown or shown_name(original)
                for file in dl_manager.iter_files(path):  # an archive may hold several
                    inner = "" if file == path else f"/{Path(file).relative_to(path)}"
                    splits[split].append((file, name + inner))
        self._declared = self.info.features
        self._types = self._scan([file for files in splits.values() for file in files])
        self.info.features = self._declared or self._types.features
        return [SplitGenerator(name=split, gen_kwargs={"files": files}) for split, files in splits.items()]

    def _scan(self, files: list[File]) -> RowTypes:
        """Widen the types to all rows of the files, and check that the later files bring no new columns."""
        types = RowTypes()
        index = 0
        first: tuple[str, dict[str, None]] | None = None
        for path, name in files:
            columns: dict[str, None] = {}
            for location, row in json_rows(path, self.config.field, name=name):
                types.add(row, index, location)
                columns |= dict.fromkeys(row)
                index += 1
            first = first or ((name, columns) if columns else None)
            others = [column for column in columns if first and column not in first[1]]
            if first and others and self._declared is None:
                raise InputError(
                    f"{name}: the column names don't match those of {first[0]}, which lacks "
                    f"{', '.join(others)}; give the files the same columns, or one of them alone"
                )
        if not types.columns:
            shown = self.shown or ", ".join(name for _, name in files[:3])
            raise InputError(f"{shown}: holds no rows; give a data set with at least one")
        return types

    def _generate_shards(self, files: list[File]) -> Iterator[str]:
        for _, name in files:
            yield name

    def _generate_tables(self, files: list[File]) -> Iterator[tuple[Key, pa.Table]]:
        for number, (path, name) in enumerate(files):
            rows = json_rows(path, self.config.field, name=name)
            block = 0
            while part := list(islice(rows, BLOCK)):
                table = rows_table(part, self._types)
                yield Key(number, block), table if self._declared is None else self._cast(table)
                block += 1

    def _cast(self, table: pa.Table) -> pa.Table:
        """Cast a table to the types of the data set's card, with nulls for columns that it lacks."""
        schema = self._declared.arrow_schema
        for field in schema:
            if field.name not in table.column_names:
                table = table.append_column(field.name, pa.nulls(len(table), field.type))
        return table_cast(table.select(schema.names), schema)


def stream_json(builder: ExactJson) -> dict[str, IterableDataset]:
    """Stream the rows of each split exactly, without types unless the card declares them.

    Args:
        builder (`ExactJson`): The builder.

    Returns:
        `dict[str, IterableDataset]`: Split -> rows; nothing is read before they are taken.
    """
    streams = {}
    for split, originals in builder.config.data_files.items():
        files = [(str(original), builder.shown or shown_name(original)) for original in originals]
        streams[str(split)] = row_stream(files, builder.config.field, builder.info.features)
    return streams


def row_stream(files: list[File], field: str | None, features: Features | None = None) -> IterableDataset:
    """Stream the rows of JSON files; nothing is read before they are taken.

    Args:
        files (`list[tuple[str, str]]`): Path or URL of each file, and its name in messages.
        field (`str`, *optional*): Key of the JSON documents under which their rows lie.
        features (`Features`, *optional*): Types of the columns; by default none are declared.

    Returns:
        `IterableDataset`: The rows, which raise InputError where a file or a row cannot be read.
    """
    arguments = {"files": files, "field": field}
    return IterableDataset.from_generator(_rows, features=features, gen_kwargs=arguments)


def _rows(files: list[File], field: str | None) -> Iterator[dict[str, Any]]:
    for path, name in files:
        for location, row in json_rows(path, field, name=name, tell=True):
            if not isinstance(row, dict):
                raise InputError(f"{location}: a row must be an object {{...}}, found {describe(row)}")
            yield row


def shown_name(file: str) -> str:
    """Write a file of the Hub as OWNER/NAME@COMMIT/FILE, any other as it is.

    Args:
        file (`str`): A path, or a URL beginning with hf://datasets/.

    Returns:
        `str`: The name for messages.
    """
    return str(file).removeprefix("hf://datasets/")
