"""Rows that are no Dataset: refused with a line that makes one, which works when it is pasted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow
import pytest
from datasets import Dataset, DatasetDict

from hf_lmt.data.method.auxiliary_sentences import AuxiliarySentences
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.mixture.mixture_settings import checked_rows
from hf_lmt.training.watching.sample import choose_sample
from hf_miwv.common.errors import InputError

ROWS = [{"source_lang": "en", "target_lang": "de", "source": f"en {i}", "target": f"de {i}"} for i in range(4)]
TYPES: dict[str, Callable[[], Any]] = {
    "list": lambda: list(ROWS),
    "tuple": lambda: tuple(ROWS),
    "generator": lambda: (row for row in ROWS),
}
TABLES: dict[str, Callable[[], Any]] = {
    "frame": lambda: pd.DataFrame(ROWS),
    "arrow": lambda: pyarrow.Table.from_pylist(ROWS),
    "columns": lambda: {name: [row[name] for row in ROWS] for name in ROWS[0]},
    "splits": lambda: DatasetDict(dev=Dataset.from_list(ROWS)),
    "stream": lambda: Dataset.from_list(ROWS).to_iterable_dataset(),
}
STEPS: dict[str, Callable[[Any], Any]] = {
    "downsampling": lambda rows: StrategicDownsampling()(rows),
    "prompting": lambda rows: ParallelMultilingualPrompting(0)(rows),
    "auxiliary": lambda rows: AuxiliarySentences(Dataset.from_list(ROWS))(rows),
}
WHOLE: dict[str, Callable[[Any], Any]] = {
    "sentences": AuxiliarySentences,
    "sample": lambda rows: choose_sample(rows, 2),
    "mixture": lambda rows: checked_rows("bilingual", rows, 1),
}


def check_refusal(use: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    with pytest.raises(InputError) as caught:
        use(make())
    words = re.search(r"Dataset(\.from_\w+)?\((list\()?rows\)+|rows\[\"dev\"\]", str(caught.value))
    assert words, caught.value
    expression = words[0].removesuffix(")") if words[0].count(")") > words[0].count("(") else words[0]
    dataset = eval(expression, {"Dataset": Dataset, "rows": make()})  # noqa: S307  the message's own
    assert dataset.select_columns(list(ROWS[0])).to_list() == ROWS
    use(dataset)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("step", STEPS)
def test_rows_given_to_a_step(step: str, kind: str) -> None:
    check_refusal(STEPS[step], TYPES[kind])


@pytest.mark.parametrize("kind", [*TYPES, *TABLES])
@pytest.mark.parametrize("use", WHOLE)
def test_rows_that_are_needed_whole(use: str, kind: str) -> None:
    check_refusal(WHOLE[use], (TYPES | TABLES)[kind])


def test_a_frame_is_a_batch_of_columns() -> None:
    """So that `frame[step(frame)]` and `frame.assign(**step(frame))` work."""
    frame = pd.DataFrame(ROWS)
    assert frame[StrategicDownsampling()(frame)].to_dict("records") == ROWS
    assert "prompt" in frame.assign(**ParallelMultilingualPrompting(0)(frame))


@pytest.mark.parametrize("thing", [None, 7, "rows"])
def test_what_is_no_rows_at_all(thing: Any) -> None:
    for use in STEPS.values():
        with pytest.raises(InputError, match=f"takes a datasets.Dataset, not a {type(thing).__name__}"):
            use(thing)
