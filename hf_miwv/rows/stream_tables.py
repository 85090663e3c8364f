"""The rows of a stream as Arrow tables, block by block, and a file that takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, IterableDataset
from datasets.table import cast_table_to_schema

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.diagnosis import reason
from hf_miwv.common.reading.json_types import RowTypes, holds_json, retyped, rows_table

BLOCK = 1000  # rows in memory at a time


def tables(stream: IterableDataset, name: str) -> Iterator[pa.Table]:
    """Yield the rows in blocks, as Arrow tables; where the stream knows no types, with the rows' own.

    Those hold every row exactly and grow from block to block: see `hf_miwv.common.reading.json_types`.

    Args:
        stream (`IterableDataset`): The rows.
        name (`str`): Its name, for messages.

    Yields:
        `pa.Table`: Up to BLOCK rows.

    Raises:
        InputError: the stream breaks off, or a row does not fit its columns.
    """
    types = RowTypes()
    start = 0
    for rows in _blocks(stream, name):
        if stream.features is None:
            located = [(f"{name}: row {index:,}", row) for index, row in enumerate(rows, start)]
            for index, (location, row) in enumerate(located, start):
                types.add(row, index, location)
            yield rows_table(located, types)
        else:
            try:
                yield _table(rows, stream.features)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                raise _misfit(rows, start, stream.features, name, error) from error
        start += len(rows)


def _blocks(stream: IterableDataset, name: str) -> Iterator[list[dict[str, Any]]]:
    """Yield up to BLOCK rows at a time; InputError, with the row reached, where the stream breaks off."""
    plain = stream.with_format(None)
    done, block = 0, []
    try:
        for row in plain.decode(False) if stream.features else plain:  # pictures stay files
            block.append(row)
            if len(block) == BLOCK:
                yield block
                done, block = done + BLOCK, []
    except InputError:
        raise
    except Exception as error:  # of the network, a file, or the caller's own code
        raise InputError(
            f"{name}: the stream broke off at row {done + len(block):,} ({reason(error)}); none of "
            "it is kept: the same command reads it again from the start"
        ) from error
    if block:
        yield block


def _table(rows: list[dict[str, Any]], features: Features) -> pa.Table:
    columns = {name: [row.get(name) for row in rows] for name in features}
    return Dataset.from_dict(columns, features=features).data.table


def _misfit(rows: list[dict[str, Any]], start: int, features: Features, name: str, error: Exception) -> InputError:
    """Name the row that does not fit its columns: one by itself, or else the block."""
    advice = "give each column one type in all rows"
    # Arrow names no row: each is tried alone, which happens once, in the block that failed.
    for index, row in enumerate(rows, start):
        try:
            _table([row], features)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as fault:
            fault_words = f"row {index:,} does not fit its columns ({reason(fault)})"
            return InputError(f"{name}: {fault_words}; {advice}")
    last = start + len(rows) - 1
    fault_words = f"rows {start:,} to {last:,} do not fit one another ({reason(error)})"
    return InputError(f"{name}: {fault_words}; {advice}")


class ArrowFile:
    """Write an Arrow file that grows table by table, and whose columns grow with them.

    Args:
        path (`Path`): The file; replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schema: pa.Schema | None = None
        self._file: Any = None
        self._writer: Any = None

    def append(self, table: pa.Table) -> None:
        """Write a table behind those before.

        Args:
            table (`pa.Table`): The rows.

        Raises:
            ArrowException: types that cannot be brought together with those before.
        """
        schema = table.schema if self._schema is None else _united(self._schema, table.schema)
        if self._schema is None:
            self._open(schema)
        elif schema != self._schema:
            self._widen(schema)
        self._writer.write_table(_cast(table, schema))

    def close(self) -> None:
        """Write all of it to the disk."""
        if self._writer is not None:
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._writer = None

    def _open(self, schema: pa.Schema) -> None:
        self._schema, self._file = schema, open(self._path, "wb")  # noqa: SIM115
        self._writer = pa.ipc.new_stream(self._file, schema)

    def _widen(self, schema: pa.Schema) -> None:
        """Begin again with a column more, or a type that holds more, and take all over."""
        self.close()
        # A schema stands at the head of the file and cannot change; batch by batch the copy needs little memory.
        narrow = self._path.with_name(f"{self._path.name}-narrow")
        os.replace(self._path, narrow)
        self._open(schema)
        with pa.memory_map(str(narrow)) as source:
            for batch in pa.ipc.open_stream(source):
                self._writer.write_table(_cast(pa.Table.from_batches([batch]), schema))
        narrow.unlink()


def _united(known: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Unite the columns of both schemas, each with a type for the values of both."""
    types = {field.name: field.type for field in known}
    for field in other:
        before = types.get(field.name, field.type)
        # A type that holds JSON was made for all rows so far; else Arrow knows which holds more.
        if before != field.type and not holds_json(field.type):
            pair = [pa.schema([(field.name, field_type)]) for field_type in (before, field.type)]
            types[field.name] = pa.unify_schemas(pair, promote_options="permissive").field(0).type
        else:
            types[field.name] = field.type
    return pa.schema(list(types.items()))


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = {}
    for name in table.column_names:
        expected_type = schema.field(name).type
        if table.field(name).type != expected_type and holds_json(expected_type):
            columns[name] = retyped(table.column(name), expected_type)
        else:
            columns[name] = table.column(name)
    return cast_table_to_schema(pa.table(columns), schema)
