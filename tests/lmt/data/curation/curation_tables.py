"""Rows to be curated, as tables."""

import pyarrow as pa

COLUMNS = ("source_lang", "target_lang", "source", "target")


LONG = "The ministers will meet again on Monday to talk about the price of bread."


def table(rows):
    columns = zip(*rows, strict=True)
    return pa.table({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})
