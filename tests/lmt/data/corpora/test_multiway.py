"""A multi-way table to rows in the asked directions, with the sentences that may be hints."""

import unicodedata

import pyarrow as pa
import pytest
from datasets import Dataset

from hf_lmt.data.corpora.multiway import ROW_SCHEMA, expand, expand_block
from hf_lmt.data.hashing import content_key
from hf_lmt.directions import DIRECTIONS, Direction, auxiliary_of, parse_direction
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

LINES = [
    {"en": "one", "zh": "一", "kk": "бір", "ru": "один", "document": "a"},
    {"en": "two", "zh": "二", "kk": None, "ru": "два", "document": "a"},
    {"en": None, "zh": "三", "kk": "үш", "ru": "", "document": "b"},
    {"en": None, "zh": None, "kk": "төрт", "ru": None, "document": "b"},
]


def directions(*names):
    return [parse_direction(name) for name in names]


def plainly(lines, asked):
    """Each row by nested loops: direction, source, target, hint and line."""
    for direction in asked:
        for number, line in enumerate(lines):
            source, target = line.get(direction.source), line.get(direction.target)
            if source is None or target is None:
                continue
            hint = auxiliary_of(direction)
            text = line.get(hint) or None
            many = sum(line.get(code) is not None for code in LANGUAGES) > 2
            place = number if many else None
            yield str(direction), source, target, hint if text else None, text, place


def found(dataset):
    return [
        (
            f"{row['source_lang']}-{row['target_lang']}",
            row["source"],
            row["target"],
            row["auxiliary_lang"],
            row["auxiliary"],
            row["line"],
        )
        for row in dataset
    ]


@pytest.mark.parametrize(
    ("direction", "auxiliary"),
    [
        ("en-kk", "ru"),
        ("kk-en", "ru"),
        ("en-de", "nl"),
        ("nl-en", "de"),
        ("en-ar", None),
        ("en-zh", None),
        ("zh-en", None),
        ("zh-kk", "en"),
        ("kk-zh", "en"),
        ("zh-ar", "en"),
        ("ja-de", None),
    ],
)
def test_the_auxiliary_is_that_of_the_table_or_english(direction, auxiliary):
    assert auxiliary_of(parse_direction(direction)) == auxiliary


def test_the_auxiliary_is_never_a_side_of_the_direction():
    hints = {direction: auxiliary_of(direction) for direction in DIRECTIONS}
    assert all(hint not in direction for direction, hint in hints.items())
    assert sum(hint is not None for hint in hints.values()) == 2 * 36 + 2 * 58


@pytest.mark.parametrize("asked", [DIRECTIONS, directions("kk-zh", "en-kk"), directions("ru-kk"), directions("en-de")])
def test_a_table_becomes_what_plain_loops_make_of_it(asked):
    rows = expand(Dataset.from_list(LINES), asked)
    assert found(rows) == list(plainly(LINES, asked))
    assert rows.column_names == ROW_SCHEMA.names


def test_the_same_rows_in_any_order_of_lines_that_have_numbers_of_their_own():
    lines = [line | {"line": 7 * number} for number, line in enumerate(LINES * 600)]
    table = Dataset.from_list(lines)
    one, two = expand(table), expand(table.select(range(2400)).shuffle(seed=1))
    assert sorted(found(one), key=str) == sorted(found(two), key=str)
    assert max(line for line in one["line"] if line is not None) == 7 * 2398


def test_without_auxiliaries_there_are_no_hints():
    rows = expand(Dataset.from_list(LINES), auxiliaries=False)
    assert set(rows["auxiliary"]) == {None}
    assert len(rows) == len(expand(Dataset.from_list(LINES)))


@pytest.mark.parametrize(("multiway", "lines"), [(None, [0, 1, None]), (True, [0, 1, 2]), (False, [None] * 3)])
def test_a_line_number_marks_the_rows_of_multi_way_lines(multiway, lines):
    table = Dataset.from_list([*LINES[:2], {"en": "three", "zh": "三"}])
    rows = expand(table, directions("en-zh"), multiway=multiway, corpus="mine")
    assert rows["line"][:] == lines
    assert set(rows["corpus"]) == {"mine"}


def test_texts_are_normalized_and_nothing_else_happens_to_them():
    odd = " e\u0301\u00a0\u2028\ufb01 \r"
    block = pa.table({"en": [odd], "fr": ["\u00e9"], "row_key": ["x"]})
    (row,) = expand_block(block, directions("en-fr")).to_pylist()
    assert row["source"] == unicodedata.normalize("NFC", odd) == " \u00e9\u00a0\u2028\ufb01 \r"
    assert row["row_key"] == "x"


def test_keys_are_the_rows_own_or_made_of_their_content():
    lines = pa.table({"en": ["a", "e\u0301"], "fr": ["b", "c"], "row_key": ["x", None], "corpus": ["mine", "n\u0303"]})
    rows = expand_block(lines, directions("en-fr", "fr-en"))
    assert rows["row_key"].to_pylist() == [
        "x",
        content_key("\u00f1", "en", "fr", "\u00e9", "c"),
        "x",
        content_key("\u00f1", "fr", "en", "c", "\u00e9"),
    ]
    turned = expand_block(lines.take([1, 0]), directions("en-fr", "fr-en"))
    assert sorted(turned["row_key"].to_pylist()) == sorted(rows["row_key"].to_pylist())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{"en": "one", "text": "un"}], ["en, text", "name two or more"]),
        ([{"en": "one", "de": 1}], ["'de'", "int64", "text"]),
    ],
)
def test_tables_that_cannot_be_expanded(lines, words):
    with pytest.raises(InputError) as error:
        expand(Dataset.from_list(lines), [Direction("en", "de")])
    assert all(word in str(error.value) for word in words), error.value
