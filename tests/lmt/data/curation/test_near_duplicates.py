"""Near duplicates: what is near enough, which row stays, in any order."""

from __future__ import annotations

import random
import string
from typing import Any

import numpy as np
import pyarrow
import pytest
from datasets import Dataset

from hf_lmt.data.curation.curate import curate
from hf_lmt.data.curation.near_duplicates import NearDuplicates
from hf_lmt.data.curation.signatures import PERMUTATIONS, band_width, sign_rows
from hf_lmt.data.curation.surveys import preferences
from hf_miwv.common.errors import InputError

pytest.importorskip("rensa", reason="the library rensa is not installed")


SIDES = ("source", "target")
LONG = "A long common sentence."


def row(source: str, target: str, direction: str = "en-de", **columns: Any) -> dict[str, Any]:
    source_lang, target_lang = direction.split("-")
    return {
        "source_lang": source_lang,
        "target_lang": target_lang,
        "source": source,
        "target": target,
        "auxiliary": None,
        **columns,
    }


def text(generator: random.Random, length: int = 60) -> str:
    return "".join(generator.choices(string.ascii_lowercase, k=length))


def kept(rows: list[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    found = curate(Dataset.from_list(rows), [NearDuplicates(**settings)], progress=False)
    return found.rows.to_list()


def plain_similarity(one: dict[str, Any], other: dict[str, Any]) -> float:
    runs = [
        {(side, each[side][i : i + 5]) for side in SIDES for i in range(len(each[side]) - 4)} for each in (one, other)
    ]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_pairs_go_by_the_share_of_common_runs() -> None:
    generator = random.Random(3)  # noqa: S311
    rows, near, far = [], 0, 0
    for number in range(240):
        one = row(text(generator, 200), text(generator, 200))
        changed = list(one["target"])
        for _ in range(number % 30):
            changed[generator.randrange(200)] = generator.choice("0123456789")
        other = row(one["source"], "".join(changed))
        similarity = plain_similarity(one, other)
        if similarity >= 0.9 or similarity <= 0.65:
            near, far = near + (similarity >= 0.9), far + (similarity <= 0.65)
            rows += [one, other]
    assert near > 20
    assert far > 20
    assert len(kept(rows)) == near + 2 * far


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        (row("Hello there, you", "Hallo, Welt"), row("hello there you!", "Hallo Welt."), True),
        (row(LONG, "Ein Satz."), row(LONG, "Ganz anders."), False),
        (row(LONG, "Ein Satz."), row(LONG, "Ein Satz.", "en-nl"), False),
        (row("ja", "是", "nl-zh"), row("Ja.", "是。", "nl-zh"), True),
        (
            row("我们今天早上在公园里看见了一只大黑猫", "a" * 20, "zh-en"),
            row("我们今天早上在公园里看见了一只大黑猫呢", "a" * 20, "zh-en"),
            True,
        ),
        (row("...", "!!!"), row("???", "..."), False),
    ],
)
def test_what_is_near(one: dict[str, Any], other: dict[str, Any], near: bool) -> None:
    assert len(kept([one, other])) == 2 - near


def many_rows() -> list[dict[str, Any]]:
    """60 clusters of 1 to 4 in each of two directions; in a chain each is near the next."""
    generator = random.Random(7)  # noqa: S311
    rows = []
    for direction in ("en-de", "de-en"):
        for number in range(60):
            source, target = text(generator, 120), text(generator, 120)
            for step in range(1 + number % 4):
                rows.append(row(f"{source}{step * ' again'}", target, direction, corpus=f"c{step}"))
    return rows


def test_one_of_each_cluster_stays_in_any_order() -> None:
    rows = many_rows()
    expected = None
    for seed in range(4):
        random.Random(seed).shuffle(rows)  # noqa: S311
        found = sorted(map(str, kept(rows)))
        assert len(found) == 120
        assert expected in (None, found)
        expected = found


def plain_kept(rows: list[dict[str, Any]], threshold: float) -> set[int]:
    """Rows that stay, by loops over bands and pairs of signatures that are all in memory."""
    width, connections = band_width(threshold), {index: {index} for index in range(len(rows))}
    table = pyarrow.Table.from_pylist(rows)
    bare, hashes, contents = preferences(table, NearDuplicates.name)
    order = sorted(range(len(rows)), key=lambda index: (bare[index], hashes[index], contents[index]))
    signatures = [sign_rows(table.slice(index, 1), np.array([index]), "").signatures[0] for index in range(len(rows))]
    for first in range(0, PERMUTATIONS - width + 1, width):
        members: dict[Any, list[int]] = {}
        for index in order:
            band = tuple(signatures[index][first : first + width])
            members.setdefault((rows[index]["source_lang"], band), []).append(index)
        for left in members.values():
            while left:
                best, others = left[0], left[1:]
                left = [other for other in others if (signatures[best] == signatures[other]).mean() < threshold]
                for other in set(others) - set(left):
                    together = connections[best] | connections[other]
                    connections |= dict.fromkeys(together, together)
    return {min(group, key=order.index) for group in connections.values()}


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9])
def test_the_rows_of_the_plain_version_stay(threshold: float) -> None:
    rows = [{**row, "row_key": str(number)} for number, row in enumerate(many_rows()[::2])]
    expected = plain_kept(rows, threshold)
    assert len(expected) < len(rows)
    assert {int(row["row_key"]) for row in kept(rows, threshold=threshold)} == expected


def test_a_row_with_an_auxiliary_stays() -> None:
    generator = random.Random(1)  # noqa: S311
    rows = []
    for _ in range(20):
        source, target = text(generator), text(generator)
        rows += [row(source, target), row(source + "!", target, auxiliary="Hallo.")]
        rows += [row(source, target + ".")]
    assert [one["auxiliary"] for one in kept(rows)] == ["Hallo."] * 20


def test_a_higher_threshold_takes_less() -> None:
    rows = many_rows()
    counts = [len(kept(rows, threshold=threshold)) for threshold in (0.5, 0.8, 0.95, 1)]
    assert counts == sorted(counts)
    assert counts[0] == 120
    assert counts[-1] > 200


def test_no_rows_and_rows_not_surveyed() -> None:
    step = NearDuplicates()
    step.survey(Dataset.from_list([row("a", "b")]).select([]))
    with pytest.raises(InputError, match="not surveyed"):
        step(pyarrow.Table.from_pylist([row("a", "b")]))


@pytest.mark.parametrize("threshold", [0.3, 1.5, True, "0.8"])
def test_thresholds_that_cannot_be(threshold: Any) -> None:
    with pytest.raises(InputError, match="near_duplicates: threshold"):
        NearDuplicates(threshold=threshold)
