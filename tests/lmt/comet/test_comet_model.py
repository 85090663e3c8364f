"""COMET models of our own against the scores that unbabel-comet 2.2.7 gave, with checkpoints that it wrote.

`checkpoints/` is what `write_checkpoints.py` made of `parity_rows` in unbabel-comet's environment, with
`small_rules.tsv` as normalization; `test_unbabel_comet.py` makes all of it anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoTokenizer

from hf_lmt.comet.comet_inputs import joined_ids, length_batches, text_ids
from hf_lmt.comet.comet_layers import span_penalties, sparsemax
from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.load_comet import fetch_comet, is_comet, load_comet, save_comet
from hf_miwv.common.errors import InputError

CHECKPOINTS = Path(__file__).with_name("checkpoints")
ROWS = [json.loads(line) for line in (CHECKPOINTS / "rows.jsonl").read_text("utf-8").splitlines()]
SOURCES, HYPOTHESES, REFERENCES = ([row[column] for row in ROWS] for column in ("src", "mt", "ref"))
EXPECTED = json.loads((CHECKPOINTS / "scores.json").read_text("utf-8"))
MODELS = ("comet", "cometkiwi", "xcomet")


@pytest.fixture(autouse=True)
def _beside_the_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKPOINTS)  # the checkpoints name their encoders by relative paths


@pytest.fixture(scope="module")
def models() -> dict[str, CometModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKPOINTS)
        return {name: load_comet(name, device="cpu") for name in MODELS}


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "ids"])
@pytest.mark.parametrize("batch_tokens", [None, 6000])
def test_scores_are_those_of_unbabel_comet(name: str, batch_tokens: int | None, models: dict[str, CometModel]) -> None:
    references = None if name.endswith("-without-references") else REFERENCES
    model = models[name.removesuffix("-without-references")]
    scores = model.score(SOURCES, HYPOTHESES, references, batch_tokens)
    assert np.abs(scores - EXPECTED[name]).max() < 1e-5
    assert np.std(EXPECTED[name]) > 1e-3  # or the comparison would show nothing
    assert len(set(scores.round(5))) > 100


def test_token_ids_are_those_of_transformers_4() -> None:
    tokenizer = AutoTokenizer.from_pretrained("encoder")
    for row, digest in zip(ROWS, EXPECTED["ids"], strict=True):
        ids = text_ids(tokenizer, list(row.values()), 514)
        assert hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:12] == digest, row
        assert max(map(len, ids)) <= 510
    assert any(len(text_ids(tokenizer, [text], 514)[0]) == 510 for text in SOURCES)  # truncation was seen


def test_a_row_has_the_same_score_alone_and_among_others(models: dict[str, CometModel]) -> None:
    rows = range(20, 50)
    columns = [[texts[row] for row in rows] for texts in (SOURCES, HYPOTHESES, REFERENCES)]
    for model in models.values():
        alone = [model.score(*([text] for text in texts)) for texts in list(zip(*columns, strict=True))[:3]]
        together = model.score(*(column * 18 for column in columns))
        assert len(together) == 540  # more than are scored at once
        np.testing.assert_allclose(np.concatenate(alone), together[:3], atol=1e-6)
        np.testing.assert_allclose(together[:30], together[-30:], atol=1e-6)
        assert len(model.score([], [], [])) == 0


def test_loading_leaves_what_is_drawn_next_as_it_is() -> None:
    before = torch.get_rng_state()
    load_comet("comet", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_bfloat16_is_near(models: dict[str, CometModel]) -> None:
    for name in ("comet", "cometkiwi"):
        model = load_comet(name, device="cpu", dtype="bfloat16")
        scores = model.score(SOURCES[20:80], HYPOTHESES[20:80], REFERENCES[20:80])
        difference = np.abs(scores - EXPECTED[name][20:80]).max()
        assert 0 < difference < 0.02


@pytest.mark.parametrize("name", MODELS)
def test_as_safetensors(
    name: str, models: dict[str, CometModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_comet(models[name], tmp_path / "model", yaml.safe_load(Path(name, "hparams.yaml").read_text()))
    monkeypatch.chdir(tmp_path)  # where there is no encoder but the one saved with it
    assert is_comet("./model")
    scores = load_comet("./model", device="cpu").score(SOURCES[:30], HYPOTHESES[:30], REFERENCES[:30])
    np.testing.assert_allclose(scores, EXPECTED[name][:30], atol=1e-5)
    file = tmp_path / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        load_comet("./model", device="cpu")


@pytest.mark.parametrize(("dtype", "advice"), [("float32", "--comet-dtype bfloat16"), ("bfloat16", "smaller model")])
def test_used_up_memory_is_told(dtype: str, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_comet("comet", device="cpu", dtype=dtype)

    def fails(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(model.encoder, "forward", fails)
    words = f"COMET comet: out of memory in a pass of at most 1,024 tokens with the encoder in {dtype}"
    with pytest.raises(InputError, match=words) as refusal:
        model.score(SOURCES, HYPOTHESES, REFERENCES)
    assert advice in str(refusal.value)
    assert ("--comet-dtype" in str(refusal.value)) == (dtype == "float32")


def test_a_model_that_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CometModel, "to", lambda *_: torch.empty(2**62, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"'comet' does not fit into the memory of cpu .*--comet-dtype bfloat16"):
        load_comet("comet", device="cpu")


REFUSED = {
    "class": ({"class_identifier": "ranking_metric"}, r"class_identifier 'ranking_metric' is not known here"),
    "encoder": ({"encoder_model": "RemBERT"}, "encoder_model 'RemBERT'"),
    "one layer": ({"layer": 7}, "layer 7 is not known here .known here: 'mix'"),
    "transformation": ({"layer_transformation": "entmax"}, "layer_transformation 'entmax'"),
    "norm": ({"layer_norm": "yes"}, "layer_norm 'yes'"),
    "pool": ({"pool": "max"}, "pool 'max'"),
    "activation": ({"activations": "ReLU"}, "activations 'ReLU'"),
    "final": ({"final_activation": "Softmax"}, "final_activation 'Softmax'"),
    "sizes": ({"hidden_sizes": "3072"}, "hidden_sizes '3072' is no list"),
    "other sizes": ({"hidden_sizes": [12, 5]}, r"hparams.yaml says hidden_sizes \(12, 5\), and .*itself \(12, 6\)"),
    "unheard of": ({"mixture": 3}, "hyperparameter 'mixture' is not known here, and may change its scores"),
    "no encoder": ({"pretrained_model": "nobody/encoder"}, "model 'nobody/encoder' cannot be loaded: it is not in"),
}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(CHECKPOINTS, tmp_path / "copies")
    monkeypatch.chdir(tmp_path / "copies")
    return tmp_path / "copies" / "comet"


def change(checkpoint: Path, **changes: Any) -> None:
    file = checkpoint / "hparams.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **changes}))


@pytest.mark.parametrize("case", REFUSED)
def test_unknown_shapes_are_refused_by_name(case: str, checkpoint: Path) -> None:
    changes, message = REFUSED[case]
    change(checkpoint, **changes)
    with pytest.raises(InputError, match=message):
        load_comet("./comet", device="cpu")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("cometkiwi", {"input_segments": ["mt", "src", "ref"]}, r"input_segments \['mt', 'src', 'ref'\]"),
        ("xcomet", {"error_labels": ["minor", "major"]}, r"error_labels \['minor', 'major'\] is not known here"),
        ("xcomet", {"word_layer": 3}, "word_layer 3 is none of its encoder's layers"),
        ("xcomet", {"sent_layer": 2}, "sent_layer 2"),
    ],
)
def test_unknown_unified_shapes(name: str, changes: dict[str, Any], message: str, checkpoint: Path) -> None:
    change(checkpoint.with_name(name), **changes)
    with pytest.raises(InputError, match=message):
        load_comet(f"./{name}", device="cpu")


class _Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("touched"),))


def test_damaged_and_dangerous_files(checkpoint: Path) -> None:
    file = checkpoint / "checkpoints" / "model.ckpt"
    content = torch.load(file, weights_only=True)
    torch.save({**content, "hyper_parameters": _Evil()}, file)
    with pytest.raises(InputError, match="cannot be read as plain tensors"):
        load_comet("./comet", device="cpu")
    assert not Path("touched").exists()
    tensors = dict(content["state_dict"])
    tensors["estimator.ff.9.weight"] = tensors.pop("estimator.ff.6.weight")
    torch.save({**content, "state_dict": tensors}, file)
    with pytest.raises(
        InputError, match=r"2 tensors are missing or not known here, the first of them estimator\.ff\.6"
    ):
        load_comet("./comet", device="cpu")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read as plain tensors"):
        load_comet("./comet", device="cpu")
    torch.save({}, file)
    with pytest.raises(InputError, match="has no state_dict"):
        load_comet("./comet", device="cpu")
    file.unlink()
    with pytest.raises(InputError, match=r"neither model\.safetensors nor checkpoints/model\.ckpt"):
        load_comet("./comet", device="cpu")
    (checkpoint / "hparams.yaml").write_text("[a\n")
    with pytest.raises(InputError, match=r"hparams\.yaml cannot be read"):
        fetch_comet("./comet")
    (checkpoint / "hparams.yaml").unlink()
    assert not is_comet("./comet")
    with pytest.raises(InputError, match=r"is no COMET checkpoint: it has no hparams\.yaml"):
        fetch_comet("./comet")


def test_softmax_where_only_hparams_yaml_is_patched(checkpoint: Path) -> None:
    change(checkpoint, layer_transformation="sparsemax_patch")
    patched = load_comet("./comet", device="cpu").score(SOURCES[:9], HYPOTHESES[:9], REFERENCES[:9])
    assert np.abs(patched - EXPECTED["comet"][:9]).max() > 1e-4


def test_bad_arguments(models: dict[str, CometModel]) -> None:
    with pytest.raises(InputError, match="lists of 2 and 1 texts"):
        models["cometkiwi"].score(["a", "b"], ["c"])
    with pytest.raises(InputError, match="comet scores with a reference only"):
        models["comet"].score(["a"], ["c"])
    with pytest.raises(InputError, match="dtype 'float16' cannot be; give float32 or bfloat16"):
        load_comet("comet", dtype="float16")
    with pytest.raises(InputError, match="not in the local cache"):
        load_comet("Unbabel/wmt22-comet-da")


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in (1, 2, 5, 25):
        scores = torch.randn(size, generator=generator)
        weights = sparsemax(scores)
        assert weights.sum().item() == pytest.approx(1, abs=1e-6)
        assert (weights >= 0).all()
        # at the nearest point, all scores that keep weight lie the same step above it, and no other more
        steps = scores - weights
        assert (steps[weights > 0] - steps[weights > 0][0]).abs().max() < 1e-6
        assert (steps <= steps[weights > 0][0] + 1e-6).all()
    assert sparsemax(torch.tensor([0.3, 0.3])).tolist() == [0.5, 0.5]
    assert sparsemax(torch.tensor([2.0, 0.0, 0.5])).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("labels", "penalty"),
    [([], 0), ([0, 1, 0], 1), ([1, 3, 3, 0, 2, 0], 6), ([0, 3], 0), ([3, 0, 3, 0, 3, 0], 25), ([2, 0, 1], 5)],
)
def test_span_penalties(labels: list[int], penalty: int) -> None:
    assert span_penalties(labels) == penalty


def test_joined_ids() -> None:
    tokenizer = AutoTokenizer.from_pretrained("encoder")
    start, pad, end = tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id
    segments = [[start, 10, pad, 11, end], [start, 12, end], [start, 13, end]]
    joined = joined_ids(tokenizer, segments, 514)
    assert joined == [start, 10, 11, end, end, 12, end, end, 13, end]
    assert joined_ids(tokenizer, segments, 8) == joined[:6]


def test_length_batches() -> None:
    lengths = [5, 1, 9, 2, 2, 30]
    batches = list(length_batches(lengths, 10))
    assert batches == [[1, 3, 4], [0], [2], [5]]
    assert list(length_batches([], 10)) == []
