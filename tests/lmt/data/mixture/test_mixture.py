"""Mixtures by tokens: lines, shares, order, repeats, kills, and what cannot be mixed."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import pytest
from datasets import Dataset
from tiny import make_tokenizer

from hf_lmt.data.mixture import mix
from hf_lmt.data.mixture import token_counts as counting
from hf_miwv.common.errors import InputError

SIZES = {"en": 60, "zh": 50, "kk": 20, "de": 80, "bo": 6}
TOKENIZER = make_tokenizer()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def words(code, number):
    return f"{code} {number} " + "water is made of " * (number % 4 + 1)


def monolingual_rows(sizes=SIZES):
    rows = [
        {"lang": code, "text": words(code, n), "corpus": "web"} for code, size in sizes.items() for n in range(size)
    ]
    return Dataset.from_list(rows)


def bilingual_rows(ways=("forward",), sizes=SIZES, corpus="pairs"):
    rows = []
    for pivot in ("en", "zh"):
        for code, size in sizes.items():
            if code == pivot or (pivot, code) == ("zh", "en"):
                continue
            for n in range(size):
                sides = [(pivot, words(pivot, n).strip()), (code, words(code, n).strip())]
                for way in ways:
                    (one, source), (two, target) = sides if way == "forward" else sides[::-1]
                    rows.append(
                        {"source_lang": one, "target_lang": two, "source": source, "target": target, "corpus": corpus}
                    )
    return Dataset.from_list(rows)


def table(mixed):
    return mixed.rows.to_list()


def test_lines_are_of_the_papers_form_and_tokens_are_theirs():
    rows = table(mix(bilingual_rows(), monolingual_rows(), TOKENIZER))
    for row in rows:
        into, out_of = row["target_lang"], row["source_lang"]
        ids = TOKENIZER(row["text"], add_special_tokens=False)["input_ids"]
        assert row["tokens"] == len(ids)
        if row["part"] == "monolingual":
            assert into is None
            assert row["text"].startswith(f"{out_of} ")
            continue
        assert row["part"] in (into, out_of)
        source, target = row["text"].removeprefix(f"<{out_of}2{into}> ").split(f" <{into}> ")
        assert (source.split()[0], target.split()[0]) == (out_of, into)
        assert source.split()[1:] == target.split()[1:]


def test_each_pair_goes_one_way_whichever_ways_it_is_given():
    mono, every = monolingual_rows(), []
    for ways in (("forward",), ("back",), ("forward", "back")):
        mixed = mix(bilingual_rows(ways), mono, TOKENIZER)
        every.append(table(mixed))
        copies = len(bilingual_rows()) if len(ways) == 2 else 0
        assert mixed.counts["left_out"]["copies"] == copies
    assert every[0] == every[1] == every[2]
    german = [
        row["source_lang"]
        for row in every[0]
        if row["part"] == "en" and "de" in (row["source_lang"], row["target_lang"])
    ]
    assert 0.3 < german.count("en") / len(german) < 0.7
    part = mixed.counts["parts"]["en"]["languages"]["de"]
    assert (part["out_of_pivot"], part["rows"]) == (german.count("en"), len(german))


@pytest.mark.parametrize("temperature", [1, 3])
def test_tokens_follow_shares_and_temperature(temperature):
    asked = {"monolingual": 2, "zh": 1, "en": 1}
    mixed = mix(bilingual_rows(), monolingual_rows(), TOKENIZER, tokens=2000, shares=asked, temperature=temperature)
    rows, parts = table(mixed), mixed.counts["parts"]
    for part, share in asked.items():
        there = {code: one["tokens_there"] for code, one in parts[part]["languages"].items()}
        powers = {code: mass ** (1 / temperature) for code, mass in there.items()}
        for code, one in parts[part]["languages"].items():
            budget = 2000 * share / 4 * powers[code] / sum(powers.values())
            assert one["asked"] == pytest.approx(budget, abs=0.51)
            own = [
                row["tokens"]
                for row in rows
                if row["part"] == part
                and code in (row["source_lang"], row["target_lang"])
                and (part == "monolingual" or code != part)
            ]
            assert one["tokens"] == sum(own)
            assert one["budget"] - 0.5 <= sum(own) < one["budget"] + max(own)
    assert mixed.counts["tokens"]["given"] == sum(row["tokens"] for row in rows)


def test_neither_order_nor_processes_matter(monkeypatch):
    monkeypatch.setattr(counting, "BLOCK", 64)
    one = table(mix(bilingual_rows(), monolingual_rows(), TOKENIZER, tokens=3000))
    two, three = bilingual_rows().shuffle(seed=1), monolingual_rows().shuffle(seed=2)
    assert table(mix(two, three, TOKENIZER, tokens=3000, num_proc=2)) == one
    assert table(mix(two, three, TOKENIZER, tokens=3000, seed=1)) != one


def test_the_rows_of_fewer_tokens_are_among_those_of_more():
    two, one = bilingual_rows(), monolingual_rows()
    found = [{row["text"] for row in table(mix(two, one, TOKENIZER, tokens=tokens))} for tokens in (600, 2000, None)]
    assert found[0] < found[1] < found[2]


def test_without_tokens_the_smallest_part_is_used_whole():
    counts = mix(bilingual_rows(), monolingual_rows({"en": 5, "bo": 2}), TOKENIZER).counts
    part = counts["parts"]["monolingual"]
    assert part["tokens"] == part["tokens_there"]
    for one in counts["parts"].values():
        assert one["share"] == pytest.approx(1 / 3, abs=0.15)
        assert one["tokens"] >= one["tokens_asked"]


def test_rows_are_repeated_up_to_the_limit_and_counted():
    two, one = bilingual_rows(), monolingual_rows({"en": 5, "bo": 2})
    most = mix(two, one, TOKENIZER).counts["tokens"]["at_most"]
    mixed = mix(two, one, TOKENIZER, tokens=2 * most, repeat=2)
    times = Counter(row["text"] for row in table(mixed))
    own = [times[text] for text in one["text"]]
    assert own == [2] * 7
    assert mixed.counts["repeated"] == sum(times.values()) - len(times) >= 7
    assert mixed.counts["parts"]["monolingual"]["languages"]["bo"]["passes"] == 2


def test_rows_between_english_and_chinese_go_to_the_part_that_is_asked_for():
    two = bilingual_rows(sizes={"zh": 40, "de": 40})
    one = monolingual_rows()
    both = mix(two, one, TOKENIZER).counts["parts"]
    assert both["en"]["languages"]["zh"]["tokens_there"] > 0
    assert both["zh"]["languages"]["en"]["tokens_there"] > 0
    mixed = mix(two, one, TOKENIZER, shares={"zh": 0})
    found = mixed.counts["parts"]["en"]["languages"]["zh"]
    assert found["tokens_there"] == sum(
        both[a]["languages"][b]["tokens_there"] for a, b in (("en", "zh"), ("zh", "en"))
    )
    rows = [row for row in table(mixed) if {"en", "zh"} == {row["source_lang"], row["target_lang"]}]
    assert {row["part"] for row in rows} == {"en"}
    assert found["out_of_pivot"] == sum(row["source_lang"] == "en" for row in rows)
    assert mixed.counts["left_out"]["share_0"] == 40


def test_what_is_not_used_is_counted_and_keys_go_along():
    def row(source, target, key, langs=("en", "de")):
        return {"source_lang": langs[0], "target_lang": langs[1], "source": source, "target": target, "row_key": key}

    two = [
        row("a\n\r\n  b\u2028c", "x", "k1"),
        row(" ", "x", "k2"),
        row("a", "x", "k3"),
        row("a", "x", "k4"),
        row("a", "x", "k5", ("kk", "de")),
        row("d\n", "y", None),
    ]
    one = [{"lang": "en", "text": "e\u0301\nb"}, {"lang": "en", "text": "\n"}]
    every = []
    for order in (1, -1):
        mixed = mix(
            Dataset.from_list(two[::order]), Dataset.from_list(one), TOKENIZER, shares={"zh": 0}, repeat=50, tokens=100
        )
        left = {"copies": 1, "empty": 2, "no_pivot": 1, "share_0": 0}
        assert mixed.counts["left_out"] == left
        assert mixed.counts["line_breaks"] == 1
        found = {row["row_key"]: row["text"] for row in table(mixed)}
        assert "\u00e9\nb" in found.values()
        assert found["k1"] in ("<en2de> a b c <de> x", "<de2en> x <en> a b c")
        assert len({"k3", "k4"} & found.keys()) == 1
        assert any(text in ("<en2de> d <de> y", "<de2en> y <en> d") for text in found.values())
        every.append(found)
    assert every[0] == every[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": {"chinese": 1}}, "no part 'chinese'.*known: en, monolingual, zh"),
        ({"shares": {"monolingal": 1}}, "did you mean 'monolingual'"),
        ({"shares": {"zh": -1}}, "zh: -1: give a number that is not below 0"),
        ({"shares": {"zh": True}}, "zh: True"),
        ({"shares": [1, 1, 1]}, "give a number for each part"),
        ({"shares": {"zh": 0, "en": 0, "monolingual": 0}}, "all are 0"),
        ({"temperature": 0}, "temperature 0: give a number above 0"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"tokens": 0}, "tokens 0"),
        ({"tokens": 1.5}, "tokens 1.5"),
        ({"repeat": 0.5}, "repeat 0.5: .* 1 or more"),
        ({"num_proc": 0}, "num_proc 0"),
        ({"seed": -1, "temperature": "3"}, "(?s)settings:.*temperature '3'.*seed -1"),
        ({"tokenizer": None}, "give AutoTokenizer"),
        ({"tokenizer": "Qwen/Qwen3-0.6B-Base"}, "loaded tokenizer"),
        ({"monolingual": None}, "no monolingual rows.*shares {monolingual: 0}"),
        ({"bilingual": None}, "no bilingual rows.*shares {zh: 0, en: 0}"),
        (
            {"bilingual": bilingual_rows(sizes={"zh": 0, "de": 9}).filter(lambda row: row["source_lang"] == "en")},
            r"part zh: no translations.*shares {zh: 0}",
        ),
        ({"bilingual": monolingual_rows()}, "no column 'source_lang'; they need"),
        ({"monolingual": [{"text": "a"}]}, "not list"),
        ({"monolingual": Dataset.from_dict({"lang": ["xx"], "text": ["a"]})}, "no language 'xx'"),
        ({"tokens": 10**9}, "tokens 1,000,000,000: part .* would need .* give tokens [0-9,]+ or"),
    ],
)
def test_what_cannot_be_mixed_is_said(change, message):
    given = {"bilingual": bilingual_rows(), "monolingual": monolingual_rows(), "tokenizer": TOKENIZER} | change
    with pytest.raises(InputError, match=message):
        mix(**given)


def test_the_limit_in_the_message_can_be_had():
    two, one = bilingual_rows(), monolingual_rows()
    most = mix(two, one, TOKENIZER).counts["tokens"]["at_most"]
    with pytest.raises(InputError, match=f"give tokens {most:,} or fewer"):
        mix(two, one, TOKENIZER, tokens=most + 1)
    assert mix(two, one, TOKENIZER, tokens=most).counts["tokens"]["given"] >= most


SCRIPT = """
import os, signal, sys, datasets
datasets.config.HF_DATASETS_CACHE = sys.argv[1]
sys.path[:0] = sys.argv[2:]
import tests.lmt.data.mixture.test_mixture as tests
tests.counting.BLOCK = 16
replace, finished = os.replace, []
def kill_at_the_seventh(draft, path):
    finished.append(path)
    if len(finished) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(draft, path)
os.replace = kill_at_the_seventh
tests.mix(tests.bilingual_rows(), tests.monolingual_rows(), tests.TOKENIZER)
"""


def test_a_killed_run_goes_on_behind_the_blocks_that_it_counted(tmp_path, monkeypatch):
    root = Path(__file__).parents[4]
    folders = [str(root), str(root / "tests")]
    killed = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), *folders], check=False)
    assert killed.returncode == -signal.SIGKILL
    found = list(tmp_path.glob("lmt-tokens-*/*.npy"))
    times = {path: path.stat().st_mtime_ns for path in found}
    assert len(times) == 6
    monkeypatch.setattr(counting, "BLOCK", 16)
    fresh = table(mix(bilingual_rows(), monolingual_rows(), TOKENIZER))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    assert table(mix(bilingual_rows(), monolingual_rows(), TOKENIZER)) == fresh
    assert len(list(tmp_path.glob("lmt-tokens-*/*.npy"))) > len(times)
    assert times == {path: path.stat().st_mtime_ns for path in found}
