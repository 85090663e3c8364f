"""The Arrow types that hold JSON rows exactly, and rows brought into them.

`datasets` (5.2) takes types from the first 10 MB, fills keys that an object lacks with null, and
where types differ keeps text that looks like JSON as what it looks like: "42" comes back as 42.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache, partial
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, Json, List, Value
from datasets.features.features import generate_from_arrow_type
from datasets.table import table_cast
from datasets.utils.json import ujson_loads

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.column_names import ALIASES, STANDARD_NAMES
from hf_miwv.common.reading.json_files import half_character
from hf_miwv.common.reading.kinds import describe, kind

# Columns that prompts and responses are read from may hold another kind of value in each row: which
# rows cannot be read is told of all of them together, later.
MIXED = {*STANDARD_NAMES, "rejected", *(name for alias in ALIASES for name in alias.values())}
logger = logging.getLogger(__name__)

SCALARS = {bool: "bool", int: "int64", float: "float64", str: "string"}


class NotJsonError(TypeError):
    """A value of a type that JSON does not have, such as a date or an array."""


class ValueType:
    """Hold the type of all values of a column, or of one position inside its values.

    `kind` is None while all are null; a name of an Arrow type; "list" with `items`, or "struct"
    with `fields`, whose values all have the same keys in the same order; or "json": whatever each
    value is.

    Args:
        inside_object (`bool`, *optional*, defaults to `False`): The position is inside an object, where
            integers and decimal numbers stay apart.
    """

    __slots__ = ("fields", "inside_object", "items", "kind")

    def __init__(self, inside_object: bool = False) -> None:
        self.kind: str | None = None
        self.items: ValueType | None = None
        self.fields: dict[str, ValueType] = {}
        self.inside_object = inside_object

    def add(self, value: Any) -> None:
        """Widen the type until it holds this value, too.

        Args:
            value (`Any`): A JSON value.

        Raises:
            NotJsonError: a value of a type that JSON does not have.
        """
        if value is None or self.kind == "json":
            return
        if type(value) is list:
            self._add_list(value)
        elif type(value) is dict:
            self._add_object(value)
        elif (name := SCALARS.get(type(value))) is None:
            raise NotJsonError(type(value).__name__)
        elif self.kind is None:
            self.kind = name
        elif self.kind != name:
            numbers = {self.kind, name} == {"int64", "float64"}
            # 20 and 20.5 side by side: as an argument of a tool, 20 must not become 20.0.
            self.kind = "float64" if numbers and not self.inside_object else "json"

    def _add_list(self, values: list[Any]) -> None:
        if self.kind is None:
            self.kind, self.items = "list", ValueType(self.inside_object)
        if self.kind != "list" or self.items is None:
            self.kind = "json"
            return
        for value in values:
            self.items.add(value)

    def _add_object(self, value: dict[str, Any]) -> None:
        if self.kind is None and value:
            self.kind = "struct"
            self.fields = {str(key): ValueType(inside_object=True) for key in value}
        if self.kind != "struct" or list(self.fields) != list(value):
            self.kind = "json"
            return
        for key, field in self.fields.items():
            field.add(value[key])

    @property
    def feature(self) -> Any:
        """Return the feature of `datasets` for this type."""
        if self.kind == "json":
            return Json()
        if self.items is not None:
            return List(self.items.feature)
        if self.kind == "struct":
            return {name: field.feature for name, field in self.fields.items()}
        return Value(self.kind or "null")


class RowTypes:
    """Collect the types of all columns of rows, taken row by row."""

    def __init__(self) -> None:
        self.columns: dict[str, ValueType] = {}
        self.foreign: dict[str, str] = {}  # columns with values that JSON does not have
        self._first: dict[str, tuple[str, int]] = {}  # column -> kind, and the row that set it

    def add(self, row: Any, index: int, location: str) -> None:
        """Widen the types until they hold this row, too.

        Args:
            row (`Any`): The row.
            index (`int`): Its number, for the messages of later rows.
            location (`str`): Its file and row, for messages.

        Raises:
            InputError: the row is no object, a name of a column is not a string or holds half a character, or a
                column holds another kind of value than before; only those of MIXED may.
        """
        if not isinstance(row, Mapping):
            raise InputError(f"{location}: a row must be an object {{...}}, found {describe(row)}")
        for column, value in row.items():
            known = self.columns.get(column)
            if known is None:
                if not isinstance(column, str):
                    raise InputError(f"{location}: the column {column!r} must have a string as its name")
                if half := half_character(column):
                    raise InputError(f"{location}: {half} is half a character; remove or complete it")
                known = self.columns[column] = ValueType()
            if value is None:
                continue
            first, at = self._first.setdefault(column, (kind(value), index))
            if kind(value) != first and column not in MIXED:
                raise InputError(
                    f"{location}: column {column!r} is {describe(value)}, but {first} in row "
                    f"{at:,}; give the column one type in all rows"
                )
            try:
                known.add(value)
            except NotJsonError as error:
                self.foreign.setdefault(column, str(error))

    @property
    def features(self) -> Features:
        """Return the features of the columns in the order they were met."""
        return Features({name: column.feature for name, column in self.columns.items()})


def rows_table(rows: Sequence[tuple[str, Mapping[str, Any]]], types: RowTypes) -> pa.Table:
    """Build an Arrow table of these types.

    Columns with values that JSON does not have get the types that `datasets` gives them.

    Args:
        rows (`Sequence[tuple[str, Mapping[str, Any]]]`): N rows, each with its location.
        types (`RowTypes`): The types of the columns.

    Returns:
        `pa.Table`: N rows.

    Raises:
        InputError: a value that no type holds: half a character, a number of more than 64 bits.
    """
    try:
        return _table([row for _, row in rows], types)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        # The fault is in the block; row by row, it can be named.
        for location, row in rows:
            try:
                _table([row], types)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as fault:
                raise InputError(f"{location}: {_reason(row, fault)}") from fault
        first, last = rows[0][0], rows[-1][0]
        raise InputError(
            f"{first} to {last}: do not fit one another ({error}); give each column one type in all rows"
        ) from error


def _table(rows: Sequence[Mapping[str, Any]], types: RowTypes) -> pa.Table:
    parts: dict[str, Any] = {}
    for name, column in types.columns.items():
        values = [row.get(name) for row in rows]
        if name in types.foreign:
            parts[name] = Dataset.from_dict({name: values}).data.table.column(0)
        else:
            parts[name] = _array(values, column.feature)
    return pa.table(parts)


def retyped(column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """Bring a column into a type that holds JSON where the column's own has values.

    Args:
        column (`pa.ChunkedArray`): N values.
        arrow_type (`pa.DataType`): The new type.

    Returns:
        `pa.ChunkedArray`: N values.
    """
    feature = generate_from_arrow_type(column.type)
    values = [_decoded(value, feature) for value in column.to_pylist()]
    return _array(values, generate_from_arrow_type(arrow_type))


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of an Arrow table, JSON text read; Arrow itself would leave it as it is stored.

    Args:
        table (`pa.Table`): N rows.

    Returns:
        `list[dict[str, Any]]`: N rows.
    """
    rows = table.to_pylist()
    for field in table.schema:
        if holds_json(field.type):
            feature = generate_from_arrow_type(field.type)
            for row in rows:
                row[field.name] = _decoded(row[field.name], feature)
    return rows


def holds_json(arrow_type: pa.DataType) -> bool:
    """Check whether the type, or one inside it, is that of JSON text.

    Args:
        arrow_type (`pa.DataType`): The type.

    Returns:
        `bool`: True where a part of it is JSON text.
    """
    if isinstance(arrow_type, pa.JsonType):
        return True
    return any(holds_json(arrow_type.field(i).type) for i in range(arrow_type.num_fields))


def _array(values: list[Any], feature: Any) -> pa.ChunkedArray:
    schema = Features({"column": feature}).arrow_schema
    arrow_type = schema.field(0).type
    if not holds_json(arrow_type):
        return pa.chunked_array([pa.array(values, type=arrow_type)])
    texts = pa.array([_encoded(value, feature) for value in values], type=_stored(arrow_type))
    return table_cast(pa.table({"column": texts}), schema).column(0)


def _stored(arrow_type: pa.DataType) -> pa.DataType:
    """Return the type with JSON as plain strings, which Arrow can make of Python's values."""
    if isinstance(arrow_type, pa.JsonType):
        return pa.string()
    if pa.types.is_list(arrow_type):
        return pa.list_(_stored(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return pa.struct([(field.name, _stored(field.type)) for field in arrow_type])
    return arrow_type


def _encoded(value: Any, feature: Any) -> Any:
    """Return the value with all that the feature calls JSON as JSON text."""
    return _converted(value, feature, json_text)


def _decoded(value: Any, feature: Any) -> Any:
    """Return the value with all that the feature calls JSON as Python's values."""
    return _converted(value, feature, ujson_loads)


def _converted(value: Any, feature: Any, convert: Callable[[Any], Any]) -> Any:
    """Apply `convert` to each part of the value that the feature calls JSON."""
    if value is None:
        return None
    if isinstance(feature, Json):
        return convert(value)
    if isinstance(feature, List):
        return [_converted(item, feature.feature, convert) for item in value]
    if isinstance(feature, dict):
        return {name: _converted(value[name], inner, convert) for name, inner in feature.items()}
    return value


def json_text(value: Any) -> str:
    """Write JSON that the feature `Json` reads as exactly this value.

    The feature reads with ujson, which takes "0.3" for 0.30000000000000004 and "0.30" for 0.3, and
    passes over half characters and digits beyond 64 bits; so the text is tried. Of numbers with 17
    digits about one in a thousand has no such text: it is off by its last digit, and a warning
    says so.

    Args:
        value (`Any`): A JSON value.

    Returns:
        `str`: Its text.

    Raises:
        ValueError: no text is read as this value.
    """
    text = json.dumps(value, ensure_ascii=False)
    if ujson_loads(text) == value:
        return text
    text = _spelled(value)
    if ujson_loads(text) != value:
        if _off_by_more(ujson_loads(text), value):
            raise ValueError(f"JSON that cannot be read again as it is: {text[:60]}")
        _tell_of_last_digits()
    return text


def _off_by_more(read: Any, value: Any) -> bool:
    """Check whether two JSON values differ by more than the last digits of their numbers."""
    if isinstance(value, dict):
        return read.keys() != value.keys() or any(_off_by_more(read[k], value[k]) for k in value)
    if isinstance(value, list):
        return len(read) != len(value) or any(map(_off_by_more, read, value))
    if isinstance(value, float):
        return not isinstance(read, int | float) or not math.isclose(read, value, rel_tol=1e-14)
    return bool(read != value)


@cache
def _tell_of_last_digits() -> None:
    """Warn once in a process."""
    logger.warning(
        "numbers with 17 digits, in objects whose types differ from row to row: some are kept with another last digit"
    )


def _spelled(value: Any) -> str:
    """Write JSON with every number in a spelling that ujson reads exactly."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_dumps(key)}: {_spelled(value[key])}" for key in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_spelled, value)) + "]"
    if isinstance(value, float) and math.isfinite(value):
        return next(filter(partial(_reads_as, value), _spellings(value)), repr(value))
    return _dumps(value)


def _reads_as(value: float, text: str) -> bool:
    try:
        return bool(ujson_loads(text) == value)
    except ValueError:  # too many digits
        return False


def _spellings(value: float) -> Iterator[str]:
    """Yield numerals of a number: as Python writes it, with more decimals, with exponents."""
    yield repr(value)
    for decimals in range(1, 22):
        yield f"{value:.{decimals}f}"
        yield f"{value:.{decimals}e}"
    digits = Decimal(repr(value)).as_tuple()
    whole = "-" * digits.sign + "".join(map(str, digits.digits))
    for zeros in range(20):
        yield f"{whole}{'0' * zeros}e{int(digits.exponent) - zeros}"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _reason(row: Mapping[str, Any], error: Exception) -> str:
    """Say why this one row has no place in Arrow, in words for its author."""
    if half := half_character(row):
        return f"{half} is half a character; remove or complete it"
    if _beyond_64_bits(row):
        return "holds a number of more than 64 bits; give it as a string"
    return f"does not fit its columns ({error}); give each column one type in all rows"


def _beyond_64_bits(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_beyond_64_bits, value.values()))
    if isinstance(value, list):
        return any(map(_beyond_64_bits, value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63
