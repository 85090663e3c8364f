"""The rows of a stream as Arrow tables, block by block, and a file that takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, IterableDataset
from datasets.table import cast_table_to_schema

from hf_miwv.diagnosis import reason
from hf_miwv.errors import InputError
from hf_miwv.turns import describe, kind

BLOCK = 1000  # rows in memory at a time


def tables(stream: IterableDataset, name: str) -> Iterator[pa.Table]:
    """The rows in blocks, as Arrow tables of their own types where the stream knows none."""
    first_seen: dict[str, tuple[str, int]] = {}  # column -> kind of its values, row that set it
    start = 0
    for rows in _blocks(stream, name):
        if stream.features is None:
            _check_kinds(rows, start, first_seen, name)
        try:
            yield _table(rows, stream.features)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise _misfit(rows, start, stream.features, name, error) from error
        start += len(rows)


def _blocks(stream: IterableDataset, name: str) -> Iterator[list[dict[str, Any]]]:
    """Up to BLOCK rows at a time; InputError, with the row reached, where the stream breaks off."""
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


def _check_kinds(
    rows: list[dict[str, Any]], start: int, first_seen: dict[str, tuple[str, int]], name: str
) -> None:
    """Raise InputError where a column holds two kinds of values; null goes with every kind."""
    for index, row in enumerate(rows, start):
        for column, value in row.items():
            if value is None:
                continue
            known, at = first_seen.setdefault(column, (kind(value), index))
            if kind(value) != known:
                raise InputError(
                    f"{name}: row {index:,}: column {column!r} is {describe(value)}, but {known} "
                    f"in row {at:,}; give the column one type in all rows"
                )


def _table(rows: list[dict[str, Any]], features: Features | None) -> pa.Table:
    names = features or dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return Dataset.from_dict(columns, features=features).data.table


def _misfit(
    rows: list[dict[str, Any]], start: int, features: Features | None, name: str, error: Exception
) -> InputError:
    """Which row does not fit its columns: one by itself, or else the block."""
    advice = "give each column one type in all rows"
    for index, row in enumerate(rows, start):
        try:
            _table([row], features)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as fault:
            found = f"row {index:,} does not fit its columns ({reason(fault)})"
            return InputError(f"{name}: {found}; {advice}")
    last = start + len(rows) - 1
    found = f"rows {start:,} to {last:,} do not fit one another ({reason(error)})"
    return InputError(f"{name}: {found}; {advice}")


class ArrowFile:
    """An Arrow file that grows table by table, and whose columns grow with them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schema: pa.Schema | None = None
        self._file: Any = None
        self._writer: Any = None

    def append(self, table: pa.Table) -> None:
        """Raises ArrowException for types that cannot be brought together with those before."""
        schemas = [self._schema or table.schema, table.schema]
        schema = pa.unify_schemas(schemas, promote_options="permissive")
        if self._schema is None:
            self._open(schema)
        elif schema != self._schema:
            self._widen(schema)
        self._writer.write_table(cast_table_to_schema(table, schema))

    def close(self) -> None:
        """All of it on the disk."""
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
        narrow = self._path.with_name(f"{self._path.name}-narrow")
        os.replace(self._path, narrow)
        self._open(schema)
        with pa.memory_map(str(narrow)) as source:
            for batch in pa.ipc.open_stream(source):
                table = pa.Table.from_batches([batch])
                self._writer.write_table(cast_table_to_schema(table, schema))
        narrow.unlink()
