"""Limits at their exact value: a shared prefix, a tree, a cosine, an embedding, the sign of a score."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import make_model, make_tokenizer

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.common.models.vocabulary import check_ids, check_tables, vocabulary_size
from hf_miwv.losses import forest
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.statistics import describe
from hf_miwv.selection.diversity import choose_diverse


def passes_of(trunk: list[int], one_shots: list[list[int]]) -> Passes:
    """Row 0 is the trunk; its own and the others' one-shot contexts are `one_shots`."""
    rows = len(one_shots)
    passes = Passes(TokenTable([trunk] * rows))
    for context in one_shots:
        passes.one_shot.append(context)
        passes.responses.append([99])
    passes.status += ["ok"] * rows
    passes.flags += [[] for _ in range(rows)]
    return passes


@pytest.mark.parametrize(("shared", "branches"), [(forest.LEAST_SHARED, True), (forest.LEAST_SHARED - 1, False)])
def test_a_prefix_of_the_least_length_is_shared(shared: int, branches: bool) -> None:
    trunk = list(range(100, 140))
    passes = passes_of(trunk, [trunk, [*trunk[:shared], 7, 8, 9]])
    fork, _ = forest._fork(passes, 3, 0, None)  # pass 3 is row 1 behind its neighbor
    assert fork == (shared if branches else 0)


@pytest.mark.parametrize(("limit", "trees"), [(0, 1), (-1, 2)])
def test_a_tree_grows_to_its_limit_and_not_beyond(limit: int, trees: int) -> None:
    trunk = list(range(100, 103))
    branch = [*trunk, *range(200, 220)]
    passes = passes_of(trunk, [trunk, branch, branch])
    tokens = len(passes[0].ids) + 2 * (len(passes[4].ids) - 3)  # the trunk, and two branches behind its 3 tokens
    assert tokens > forest.TRUNKS * len(passes[0].ids)
    assert len(forest._units(passes, 0, True, [(4, 3), (5, 3)], tokens + limit)) == trees


@pytest.mark.parametrize(("cosine", "taken"), [(0.5, [0, 1]), (0.499, [0])])
@pytest.mark.parametrize("block", [1, 2])
def test_a_cosine_at_the_limit_is_taken(cosine: float, taken: list[int], block: int) -> None:
    vectors = np.array([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], dtype=np.float32)  # a cosine of 0.5 to the last bit
    kept, _ = choose_diverse(np.arange(2), lambda rows: vectors[rows], 2, cosine, block)
    assert kept.tolist() == taken


def test_the_last_row_of_the_embedding_is_known_and_the_next_is_not() -> None:
    model, tokenizer = make_model("llama"), make_tokenizer()
    size = vocabulary_size(model)
    check_ids(model, tokenizer, [size - 1], "end of text")
    check_tables(model, tokenizer, [TokenTable([[size - 1]])])
    with pytest.raises(InputError, match=f"end of text: .* has the id {size}"):
        check_ids(model, tokenizer, [size], "end of text")
    with pytest.raises(InputError, match=f"row 1: .* has the id {size}"):
        check_tables(model, tokenizer, [TokenTable([[size - 1], [size]])])


def test_a_score_of_zero_is_neither_above_nor_below() -> None:
    from datasets import Dataset

    rows = [
        {
            "row": index,
            "miwv": one_shot - 1.0,
            "loss_zero_shot": 1.0,
            "loss_one_shot": one_shot,
            "neighbor": 0,
            "neighbor_similarity": 0.5,
            "response_tokens": 3,
            "miwv_status": "ok",
            "miwv_flags": [],
        }
        for index, one_shot in enumerate((0.5, 1.0, 1.5, 2.0))
    ]
    statistics = describe(ScoreColumns.from_dataset(Dataset.from_list(rows)))
    assert (statistics["above_zero"], statistics["below_zero"]) == (2, 1)
