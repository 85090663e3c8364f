"""Steps that look at all rows, and what is counted of them."""

import pyarrow as pa
import pytest
from datasets import Dataset

from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.curation.copies import Copy
from hf_lmt.data.curation.curate import curate
from hf_lmt.data.curation.curation_settings import steps_from
from hf_lmt.data.curation.duplicates import Caps, Duplicates
from hf_lmt.data.curation.length_filters import Empty, Length
from hf_miwv.common.errors import InputError
from tests.lmt.data.curation.curation_tables import COLUMNS, LONG, table


def contents(rows):
    return sorted(map(str, rows.to_list()))


def copies(number, **columns):
    """Rows that differ in corpus only, and then one other."""
    rows = [("en", "de", "A house", "Ein Haus")] * number + [("en", "de", "A boat", "Ein Boot")]
    data = table(rows).append_column("corpus", [[*map(str, range(number)), "other"]])
    for name, values in columns.items():
        data = data.append_column(name, [values])
    return Dataset(data)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("step", "left"), [(Duplicates(), 2), (Caps(per_target=3), 4), (Caps(per_source=1), 2)])
def test_what_stays_of_copies_depends_on_no_order(step, left, seed):
    rows = copies(50)
    first = curate(rows, [step], progress=False)
    again = curate(rows.shuffle(seed=seed), [step], progress=False)
    assert len(first.rows) == left
    assert contents(first.rows) == contents(again.rows)
    assert first.counts == again.counts


def test_rows_keep_their_order_and_one_of_equal_rows_stays():
    rows = Dataset(table([("en", "de", text, text) for text in "cabcab"]))
    assert curate(rows, [Duplicates()], progress=False).rows["source"] == ["c", "a", "b"]


def test_of_copies_one_with_an_auxiliary_stays():
    rows = copies(20, auxiliary=[None] * 13 + ["Een huis"] + [None] * 7)
    assert curate(rows, [Duplicates()], progress=False).rows["auxiliary"] == ["Een huis", None]


def test_duplicates_are_of_one_direction_and_equal_in_nfc():
    texts = ("\u00e9t\u00e9", "e\u0301te\u0301")
    rows = [("fr", "en", text, "summer") for text in texts] + [("fr", "de", texts[0], "summer")]
    assert len(curate(Dataset(table(rows)), [Duplicates()], progress=False).rows) == 2


def test_caps_take_sources_first_and_targets_of_what_is_left():
    pairs = [("s1", "t1"), ("s1", "t2"), ("s2", "t2"), ("s3", "t2"), ("s4", "t3")]
    rows = Dataset(table([("en", "de", *pair) for pair in pairs]))
    found = curate(rows, [Caps(per_source=1, per_target=1)], progress=False)
    left = found.rows.to_list()
    assert len({row["source"] for row in left}) == len({row["target"] for row in left}) == len(left)
    assert found.counts["steps"][0]["reasons"]["source too often"] == 1


def test_counts_and_rejects_say_what_went_and_why():
    rows = Dataset(
        table(
            [
                ("en", "de", "A house", "Ein Haus"),
                ("en", "de", "", "Ein Haus"),
                ("en", "de", LONG, LONG),
                ("de", "en", "Ein Haus", "A house"),
                ("de", "en", "Ein Haus", "A house"),
                ("de", "en", "Ein Haus", " "),
            ]
        ).append_column("extra", [list(range(6))])
    )
    found = curate(rows, [Empty(), Copy(), Duplicates()], keep_rejects=True, progress=False)
    assert found.rows["extra"] == [0, 3]
    assert found.rows.column_names == rows.column_names
    rejects = [(one["extra"], one["rejected_by"], one["reason"]) for one in found.rejects]
    assert rejects == [
        (1, "empty", "source empty"),
        (2, "copy", "target is the source"),
        (4, "duplicates", "same source and target"),
        (5, "empty", "target empty"),
    ]
    assert found.counts["directions"] == {
        "de-en": {"in": 3, "out": 1},
        "en-de": {"in": 3, "out": 1},
    }
    taken = [(one["name"], one["rows_in"], one["rejected"]) for one in found.counts["steps"]]
    assert taken == [("empty", 6, 2), ("copy", 4, 1), ("duplicates", 3, 1)]
    assert found.counts["steps"][1]["directions"] == {
        "de-en": {"in": 2, "rejected": 0},
        "en-de": {"in": 2, "rejected": 1},
    }


def test_many_batches_are_one_data_set():
    number = 25_000
    rows = [("en", "de", f"A house {i % 12_000}", "Ein Haus" if i % 5 else "") for i in range(number)]
    found = curate(Dataset(table(rows)), [Empty(), Duplicates()], progress=False)
    kept = {row for row in rows if row[3]}
    assert len(found.rows) == len(kept)
    assert set(found.rows["source"]) == {row[2] for row in kept}


def test_an_empty_result_says_who_took_it():
    rows = Dataset(table([("en", "de", "", "x"), ("en", "de", LONG, LONG), ("en", "de", LONG, LONG)]))
    with pytest.raises(InputError, match=r"no row is left of 3; .*: empty 1, copy 2"):
        curate(rows, [Empty(), Length(), Copy()], progress=False)


@pytest.mark.parametrize(
    ("rows", "steps", "message"),
    [
        pytest.param(Dataset.from_dict({}), [], "no rows", id="no rows"),
        pytest.param(Dataset.from_dict({"en": ["a"]}), [], "no column 'source_lang'", id="column"),
        pytest.param(copies(1), [Empty(), Empty()], "'empty' is there 2 times", id="twice"),
    ],
)
def test_curate_refuses(rows, steps, message):
    with pytest.raises(InputError, match=message):
        curate(rows, steps)


def test_rows_of_a_source_are_read_as_they_come():
    row = dict.fromkeys(ROW_SCHEMA.names) | dict(zip(COLUMNS, ("en", "de", "Hi", "Hallo"), strict=True))
    rows = Dataset(pa.Table.from_pylist([row, row], schema=ROW_SCHEMA))
    found = curate(rows, steps_from({"contamination": {"sets": "none"}}), progress=False)
    assert found.rows.to_list() == [row]
