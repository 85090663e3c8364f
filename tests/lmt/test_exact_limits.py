"""What holds at the exact limit, beyond the first block, and for every value of the registry."""

from __future__ import annotations

import csv
import hashlib
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from datasets import Dataset
from tiny import make_model

from hf_lmt.data.curation import contamination, curate, identification
from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.curation.identification import LanguageIdentification
from hf_lmt.data.curation.length_filters import LengthRatio
from hf_lmt.data.curation.near_duplicates import NearDuplicates
from hf_lmt.data.curation.scripts import Script
from hf_lmt.data.method import auxiliary_sentences
from hf_lmt.data.method.auxiliary_sentences import AuxiliarySentences
from hf_lmt.training.watching import sample
from hf_lmt.training.watching.sample import choose_sample
from hf_lmt.translation import decoding
from hf_lmt.translation.beam_attention import SlotCache
from hf_miwv.common.models.attention import replaced_attention
from hf_miwv.common.runs.processes import Processes
from hf_miwv.losses.losses import token_losses


def table(*rows: tuple[str, str, str, str]) -> pyarrow.Table:
    names = ("source_lang", "target_lang", "source", "target")
    return pyarrow.table([list(column) for column in zip(*rows, strict=True)], names=names)


def pairs(source: str, target: str, *texts: tuple[str, str]) -> Dataset:
    return Dataset(table(*((source, target, one, other) for one, other in texts)))


@pytest.mark.parametrize(
    ("column", "digest"),
    [
        ("code", "143a5f991325a9c7"),
        ("name", "13f78498081058c2"),
        ("tier", "a517a3fdd371c893"),
        ("scripts", "8249b8c9abcc4169"),
        ("group", "ac0008eadf1dda3f"),
        ("right_to_left", "8bfb10a1bb3c1a5e"),
        ("flores200", "15986c596ebdd3d9"),
        ("flores_plus", "5e5c56be2ed0c532"),
        ("ntrex", "c4151a146a7a4aff"),
        ("iso639_3", "22c4a12fbdcedb75"),
        ("sacrebleu_tokenizer", "253efab418b5a0b4"),
        ("comet", "596194713f87f34a"),
        ("identification_labels", "0aa8495994e3f778"),
        ("auxiliary", "573cef92731859a5"),
        ("other_codes", "84a1c8163623ebc7"),
    ],
)
def test_every_column_of_the_registry_is_as_it_was_looked_up(column: str, digest: str) -> None:
    text = files("hf_lmt").joinpath("languages.csv").read_text("utf-8")
    values = [f"{row['code']}={row[column]}" for row in csv.DictReader(text.splitlines())]
    assert hashlib.sha256("\n".join(values).encode()).hexdigest()[:16] == digest


def test_no_column_of_the_registry_is_left_out() -> None:
    text = files("hf_lmt").joinpath("languages.csv").read_text("utf-8")
    marks = test_every_column_of_the_registry_is_as_it_was_looked_up.pytestmark
    assert text.splitlines()[0].split(",") == [column for column, _ in marks[0].args[1]]


@pytest.mark.parametrize(("letters", "stays"), [(50, True), (51, False)])
def test_the_length_ratio_is_three_by_default(letters: int, stays: bool) -> None:
    # with the allowance of 10 on both sides: 60 / 20
    for row in (("en", "de", "a" * letters, "b" * 10), ("en", "de", "b" * 10, "a" * letters)):
        assert (LengthRatio()(table(row)) == [None]) == stays


@pytest.mark.parametrize(("own", "stays"), [(2, True), (1, False)])
def test_a_share_of_the_script_at_the_limit_stays(own: int, stays: bool) -> None:
    text = "a" * own + "\u0431" * (10 - own)  # 10 letters, of which 0.2 must be Latin
    assert (Script()(table(("en", "de", text, "Hallo"))) == [None]) == stays


@pytest.mark.parametrize(("second", "stays"), [(0.25, True), (0.249, False)])
def test_a_probability_at_the_threshold_stays(second: float, stays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [("fra_Latn", 0.4), ("eng_Latn", 0.25), ("en", second)]
    monkeypatch.setattr(identification, "_identifier", lambda model: lambda text: answers)
    monkeypatch.setattr(identification, "_labels", lambda model, code: {"eng_Latn", "en"})
    identification._is_in.cache_clear()
    step = LanguageIdentification(model="any", least_letters=0)
    found = step(table(("en", "en", f"text {second}", f"text {second}")))
    identification._is_in.cache_clear()
    assert (found == [None]) == stays


HINTS = [(f"sentence {n}", f"zin {n}") for n in range(7)]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_hints_are_found_beyond_the_first_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auxiliary_sentences, "BATCH", block)
    rows = pairs("en", "nl", *HINTS)
    found = AuxiliarySentences(rows)(pairs("en", "de", *((one, "x") for one, _ in HINTS)))
    assert found["auxiliary"][:] == [hint for _, hint in HINTS]
    assert set(found["auxiliary_lang"]) == {"nl"}


def test_of_several_hints_one_is_taken_whatever_their_order() -> None:
    hints = [("good morning", text) for text in ("goedemorgen", "morgen", "hallo", "dag")]
    asked = pairs("en", "de", ("good morning", "guten Morgen"))
    taken = set()
    for shift in range(len(hints)):
        rows = pairs("en", "nl", *hints[shift:], *hints[:shift])
        taken.update(AuxiliarySentences(rows)(asked)["auxiliary"])
    assert len(taken) == 1
    rest = [hint for hint in hints if hint[1] not in taken]
    assert set(AuxiliarySentences(pairs("en", "nl", *rest))(asked)["auxiliary"]).isdisjoint(taken)


@pytest.mark.parametrize("block", [1, 3])
def test_the_watched_sample_does_not_depend_on_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pairs("en", "de", *((f"text {n}", f"Text {n}" if n % 4 else "") for n in range(20)))
    whole = choose_sample(rows, 6)
    monkeypatch.setattr(sample, "BATCH", block)
    assert choose_sample(rows, 6) == whole
    assert whole.counts["blank"] == 5
    assert any(int(row.source.split()[1]) >= 3 for row in whole.rows)


@pytest.mark.parametrize("block", [1, 3])
def test_overlap_is_found_beyond_the_first_block(block: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set.de").write_text("".join(f"Satz {n}\n" for n in range(7)), "utf-8")
    rows = pairs("en", "de", *((f"text {n}", f"Satz {n}") for n in range(9)))
    monkeypatch.setattr(contamination, "TEXTS", block)
    monkeypatch.setattr(curate, "BATCH", block)
    step = EvaluationOverlap(sets=[str(tmp_path / "set.de")])
    found = curate.curate(rows, [step], progress=False, keep_rejects=True)
    assert found.rows["target"][:] == ["Satz 7", "Satz 8"]
    assert found.rejects is not None
    assert len(found.rejects) == 7


def test_the_largest_is_dealt_first() -> None:
    sizes = np.array([1, 9, 5, 4])
    shares = [Processes(rank, 2).deal(sizes).tolist() for rank in range(2)]
    assert shares == [[0, 1], [2, 3]]  # in their order they would be 1 + 5 + 4 and 9
    assert [int(sizes[share].sum()) for share in shares] == [10, 9]


def test_a_target_is_no_source_of_near_duplicates() -> None:
    pytest.importorskip("rensa", reason="the library rensa is not installed")
    one, other = "the committee met again on friday", "der Ausschuss tagte am Freitag wieder"
    near = other.replace("wieder", "wiederum")

    def left(*texts: tuple[str, str]) -> int:
        step = NearDuplicates(threshold=0.6)
        return len(curate.curate(pairs("en", "de", *texts), [step], progress=False).rows)

    assert left((one, other), (one, near)) == 1
    assert left((one, other), (other, one)) == 2
    assert left((one, other), (one, "etwas ganz anderes steht hier geschrieben")) == 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_of_half_precision_are_taken_apart_in_float32(dtype: torch.dtype) -> None:
    logits = (torch.randn(5, 4000, generator=torch.Generator().manual_seed(0)) * 8).to(dtype)
    target = torch.arange(5) * 700
    expected = -torch.log_softmax(logits.double(), -1)[torch.arange(5), target]
    found = token_losses(logits, target)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), expected, rtol=0, atol=1e-4)
    rounded = -torch.log_softmax(logits, -1)[torch.arange(5), target]
    assert not torch.allclose(rounded.double(), expected, rtol=0, atol=1e-4)


def test_a_search_reads_logits_in_float32() -> None:
    model = make_model("llama").to(torch.bfloat16)
    cache = SlotCache(model.config.num_hidden_layers, 8)
    reader = decoding._Reader(model, cache, [[5, 6, 7], [8, 9]], torch.device("cpu"))
    with torch.inference_mode():
        assert reader.read_prompts().dtype == torch.float32
    with torch.inference_mode(), replaced_attention(model, decoding.NAME):
        reader.follow(torch.zeros(2, 2, dtype=torch.long))
        assert reader.read(torch.tensor([[3, 4], [5, 6]])).dtype == torch.float32
