"""Every number against one computed by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from datasets import Dataset
from sample_run import NAN, make_columns, random_columns

from hf_miwv.common.cards.numbers import write_number, write_share
from hf_miwv.common.errors import InputError
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.statistics import compare_lengths, describe, length_histogram, rank_correlation, similarity_fifths


def make_dataset() -> Dataset:
    return Dataset.from_dict(
        {
            "instruction": ["a", "b", "c"],
            "row": [0, 1, 2],
            "miwv": [0.5, None, -0.25],
            "loss_zero_shot": [1.0, None, 2.0],
            "loss_one_shot": [1.5, None, 1.75],
            "neighbor": [1, 0, None],
            "neighbor_similarity": [0.5, 0.25, None],
            "response_tokens": [4, 0, 8],
            "miwv_status": ["ok", "empty_response", "ok"],
            "miwv_flags": [["duplicate_prompt"], [], ["duplicate_prompt", "response_truncated"]],
        }
    )


def test_columns_of_a_dataset_become_arrays() -> None:
    columns = ScoreColumns.from_dataset(make_dataset())
    np.testing.assert_array_equal(columns.miwv, [0.5, NAN, -0.25])
    np.testing.assert_array_equal(columns.loss_one_shot, [1.5, NAN, 1.75])
    np.testing.assert_array_equal(columns.neighbor, [1, 0, -1])
    np.testing.assert_array_equal(columns.neighbor_similarity, [0.5, 0.25, NAN])
    assert columns.miwv.dtype == np.float64
    assert columns.response_tokens.dtype == np.int64
    assert columns.status == ["ok", "empty_response", "ok"]
    assert columns.flags[2] == ["duplicate_prompt", "response_truncated"]
    assert columns.scored.tolist() == [True, False, True]


def test_columns_follow_the_order_of_a_selection_and_may_be_all_null() -> None:
    chosen = make_dataset().select([2, 0])
    assert ScoreColumns.from_dataset(chosen).row.tolist() == [2, 0]
    unscored = make_dataset().select([1]).remove_columns("miwv").add_column("miwv", [None])
    assert np.isnan(ScoreColumns.from_dataset(unscored).miwv).all()


def test_a_dataset_without_scores_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no column miwv, neighbor: "):
        ScoreColumns.from_dataset(make_dataset().remove_columns(["miwv", "neighbor"]))


def test_describe_counts_rows_statuses_flags_and_signs() -> None:
    described = describe(ScoreColumns.from_dataset(make_dataset()))
    assert described["rows"] == 3
    assert described["scored"] == 2
    assert described["status"] == {
        "ok": 2,
        "empty_response": 1,
        "not_finite": 0,
        "demonstration_dropped": 0,
        "unreadable": 0,
    }
    assert described["flags"] == {
        "demonstration_trimmed": 0,
        "response_truncated": 1,
        "duplicate_prompt": 2,
        "duplicate_neighbor": 0,
        "undesired_response": 0,
        "in_target": 0,
        "deita_unrated": 0,
        "alpagasus_unrated": 0,
    }
    assert [described[name] for name in ("above_zero", "below_zero", "equal_zero")] == [1, 1, 0]


def test_describe_is_over_the_scored_rows() -> None:
    described = describe(make_columns([1.0, 3.0, NAN, 0.0, 0.0], tokens=[2, 4, 999, 8, 16]))
    assert described["miwv"]["mean"] == 1.0
    assert described["miwv"]["standard_deviation"] == pytest.approx(math.sqrt(6 / 4))
    assert described["miwv"]["quantiles"]["50"] == 0.5
    assert described["miwv"]["quantiles"]["75"] == 1.5
    assert described["loss_one_shot"]["mean"] == 3.0
    assert described["response_tokens"]["quantiles"]["100"] == 16
    assert described["equal_zero"] == 2
    assert list(described["miwv"]["quantiles"]) == [
        "0",
        "1",
        "5",
        "25",
        "50",
        "75",
        "95",
        "99",
        "100",
    ]


def test_rank_correlation() -> None:
    # Ranks 1 2 3 4 against 2 1 3 4: 1 - 6 * 2 / (4 * 15) = 0.8
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([20.0, 10, 30, 400])) == pytest.approx(0.8)
    missing = np.array([1.0, 2, NAN, 4])
    assert rank_correlation(missing, np.array([3.0, 2, 9, 1])) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]),
        ([], []),
        ([NAN] * 3, [1.0] * 3),
    ],
)
def test_rank_correlation_undefined(first: list[float], second: list[float]) -> None:
    assert rank_correlation(np.array(first), np.array(second)) is None


def test_similarity_fifths() -> None:
    similarity = np.array([0.9, 0.1, 0.5, 0.3, 0.7, 0.2, NAN])
    fifths = similarity_fifths(similarity, np.array([9.0, 1, 5, 3, 7, 2, 100]))
    # Six known rows: the first group gets two, 0.1 and 0.2.
    assert fifths["similarity_from"] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert fifths["similarity_to"] == [0.2, 0.3, 0.5, 0.7, 0.9]
    assert fifths["median_miwv"] == [1.5, 3, 5, 7, 9]


def test_hubness() -> None:
    hubness = describe(make_columns([0.0] * 5, neighbor=[3, 3, 1, 1, -1]))["hubness"]
    assert hubness == {
        "most_popular_row": 1,
        "serves": 2,
        "rows_never_a_neighbor": 3,
        "share_never": 0.6,
    }


def test_hubness_of_chosen_rows_goes_by_row_and_not_by_place() -> None:
    chosen = make_columns([2.0, 1.0], rows=[40, 7], neighbor=[7, 12])
    assert describe(chosen)["hubness"]["rows_never_a_neighbor"] == 1  # 40; 7 serves 40


def test_length_histogram() -> None:
    histogram = length_histogram(np.array([1, 1, 2, 5, 11, 15, 16]))
    assert histogram["edges"] == [1, 2, 3, 4, 6, 8, 11, 16, 23]
    assert histogram["counts"] == [2, 1, 0, 1, 0, 0, 2, 1]
    assert length_histogram(np.array([1])) == {"edges": [1, 2], "counts": [1]}


@pytest.mark.parametrize("longest", [1, 2, 3, 4, 7, 8, 1023, 1024, 1449])
def test_length_histogram_holds_the_longest(longest: int) -> None:
    histogram = length_histogram(np.array([1, longest]))
    assert sum(histogram["counts"]) == 2
    assert histogram["edges"][-2] <= longest < histogram["edges"][-1]


def test_compare_lengths() -> None:
    lengths = compare_lengths(np.array([2, 4]), np.array([1, 2, 3, 4, 10]))
    assert lengths["chosen"] == {
        "rows": 2,
        "mean": 3.0,
        "median": 3.0,
        "quantile_10": 2.2,
        "quantile_90": 3.8,
    }
    assert lengths["scored"]["median"] == 3.0
    assert lengths["scored"]["quantile_90"] == pytest.approx(7.6)
    assert lengths["ratio_of_medians"] == 1.0
    assert lengths["share_shorter_than_chosen_median"] == 0.4


def test_the_highest_tenth_shows_a_leaning_to_short_answers() -> None:
    columns = make_columns([0.0] * 18 + [1.0, 2.0], tokens=[50] * 18 + [5, 3])
    lengths = describe(columns)["highest_tenth_lengths"]
    assert lengths["chosen"]["rows"] == 2
    assert lengths["chosen"]["median"] == 4
    assert lengths["ratio_of_medians"] == 0.08


@pytest.mark.parametrize(
    "columns",
    [
        make_columns([NAN, NAN, 0.5, NAN]),
        make_columns([0.25] * 10),
        make_columns([1.0], neighbor=[-1], similarity=[NAN]),
        make_columns([NAN], tokens=[0], neighbor=[-1], similarity=[NAN]),
        random_columns(50),
    ],
    ids=["one scored", "constant", "one row", "none scored", "random"],
)
def test_describe_is_json_without_nan(columns: ScoreColumns) -> None:
    described = describe(columns)
    assert json.loads(json.dumps(described, allow_nan=False)) == described


def test_numbers_in_print() -> None:
    assert write_number(12345) == "12,345"
    assert write_number(-0.12345) == "-0.123"
    assert write_number(1234.56, 1) == "1,234.6"
    assert write_number(None) == "–"
    assert write_share(1, 8) == "1 (12.5 %)"
    assert write_share(0, 0) == "0"
