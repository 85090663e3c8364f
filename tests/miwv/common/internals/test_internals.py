"""Private names of other libraries: each is there, or the version that broke it is named."""

from __future__ import annotations

import ast
import re
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import Dataset
from sacrebleu.metrics import BLEU, CHRF
from tiny import make_model
from transformers import DynamicCache

from hf_miwv.common.internals.of_datasets import fingerprint_of, parts_of
from hf_miwv.common.internals.of_sacrebleu import sentence_counts
from hf_miwv.common.internals.of_transformers import attention_of, cache_argument, commit_of, set_commit

ROOT = Path(__file__).parents[4]
PRIVATE = re.compile(r"_(attn_implementation|commit_hash|fingerprint|ex_iterable|extract_corpus_statistics)")


def broken(library: str) -> str:
    return f"{library} {version(library)} has another name for it: mend hf_miwv/common/internals/of_{library}.py"


def test_transformers() -> None:
    model = make_model("llama")
    assert attention_of(model.config) == "sdpa", broken("transformers")
    model.set_attn_implementation("eager")
    assert attention_of(model.config) == "eager", broken("transformers")
    assert commit_of(model.config) is None
    set_commit(model.config, "abc")
    assert commit_of(model.config) == "abc"
    assert "_commit_hash" not in model.config.to_dict(), broken("transformers")


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_cache_is_read(kind: str) -> None:
    """A name that `forward` does not take would be swallowed by its **kwargs."""
    model, cache = make_model(kind), DynamicCache()
    model(**model.dummy_inputs, use_cache=True, **cache_argument(model, cache))
    assert cache.get_seq_length() == model.dummy_inputs["input_ids"].shape[1], broken("transformers")


def test_the_cache_by_either_name() -> None:
    def newer(input_ids: object, cache: object = None, past_key_values: object = None) -> None: ...
    def older(input_ids: object, past_key_values: object = None) -> None: ...

    names = [cache_argument(SimpleNamespace(forward=forward), "it") for forward in (newer, older)]
    assert names == [{"cache": "it"}, {"past_key_values": "it"}]


def test_datasets() -> None:
    rows = Dataset.from_list([{"text": "a"}, {"text": "b"}])
    assert fingerprint_of(rows) != fingerprint_of(rows.select([1])), broken("datasets")
    assert parts_of(rows.to_iterable_dataset()) is not None, broken("datasets")


@pytest.mark.parametrize("metric", [BLEU(), CHRF()])
def test_sacrebleu(metric: BLEU | CHRF) -> None:
    counts = sentence_counts(metric, ["the river rose", "rain"], ["the river rose slowly", "rain fell"])
    whole = metric.corpus_score(["the river rose", "rain"], [["the river rose slowly", "rain fell"]]).score
    assert len(counts) == 2, broken("sacrebleu")
    assert metric._aggregate_and_compute(counts).score == pytest.approx(whole), broken("sacrebleu")


def test_private_names_stand_here_alone() -> None:
    for path in [*ROOT.glob("hf_miwv/**/*.py"), *ROOT.glob("hf_lmt/**/*.py")]:
        if path.parent.name == "internals":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            foreign = isinstance(node, ast.Attribute) and not (
                isinstance(node.value, ast.Name) and node.value.id == "self"
            )
            name = node.attr if foreign else node.value if isinstance(node, ast.Constant) else ""
            assert not PRIVATE.fullmatch(str(name)), f"{path.relative_to(ROOT)}: {name}"
