"""Which models are run, as which class, and how the others are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from pictures_models import TEXT, make_picture_model
from plain import plain_alpaca, plain_loss
from tiny import make_model, make_rows, make_tokenizer
from transformers import (
    AutoModelForCausalLM,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    LlamaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from hf_miwv import InputError, score
from hf_miwv.common.models.attention import sliding_window
from hf_miwv.common.models.causality import check_causal
from hf_miwv.common.models.model_kinds import text_part_words
from hf_miwv.common.models.model_tokenizer import text_tokenizer
from hf_miwv.common.models.models import length_limit, load_model
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.losses import ResponseLosses, Tree

PICTURE_MODELS = ("qwen2_vl", "gemma3", "llava", "idefics3")


def saved(model: Any, folder: Path, **tokenizer: Any) -> str:
    model.save_pretrained(folder)
    make_tokenizer(**tokenizer).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("kind", PICTURE_MODELS)
def test_the_text_part_of_a_picture_model_equals_the_plain_loop(
    kind: str, tmp_path: Path, embedder_folder: Path
) -> None:
    rows, tokenizer, plain = make_rows(8), make_tokenizer(), make_picture_model(kind)
    scored = score(
        Dataset.from_list(rows),
        saved(plain, tmp_path / "model"),
        embedder=str(embedder_folder),
        device="cpu",
        progress=False,
    )

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    for row, found in zip(rows, scored, strict=True):
        example = rows[found["neighbor"]]
        x, y = ids(plain_alpaca(row)), ids(row["output"])
        c = ids(plain_alpaca(example)) + ids(example["output"]) + ids("\n\n")
        assert found["loss_zero_shot"] == pytest.approx(plain_loss(plain, [1, *x], y), abs=1e-4)
        assert found["loss_one_shot"] == pytest.approx(plain_loss(plain, [1, *c, *x], y), abs=1e-4)


@pytest.mark.parametrize("kind", PICTURE_MODELS)
def test_what_is_known_of_a_picture_model_is_that_of_its_text_part(kind: str) -> None:
    model = make_picture_model(kind)
    assert length_limit(model, None) == 512
    assert sliding_window(model) == (16 if kind == "gemma3" else None)
    assert branching_obstacle(model) is None
    with pytest.raises(InputError, match="limit of 512 tokens"):
        length_limit(model, 513)


def test_the_attention_of_each_part_is_put_back() -> None:
    model = make_picture_model("llava")
    model.set_attn_implementation({"vision_config": "eager"})
    seen = []
    with ResponseLosses(model, packed=True).ready():
        for part in (model.config.text_config, model.config.vision_config):
            seen.append(part._attn_implementation)
    assert seen == ["hf_miwv_tree", "eager"]
    assert model.config.text_config._attn_implementation == "sdpa"
    assert model.config.vision_config._attn_implementation == "eager"


def test_a_processor_gives_its_tokenizer() -> None:
    class Processor:
        tokenizer = make_tokenizer()
        image_processor = object()
        chat_template = "{{ messages }}"

    assert text_tokenizer(Processor()) is Processor.tokenizer
    assert Processor.tokenizer.chat_template == "{{ messages }}"
    plain = make_tokenizer()
    assert text_tokenizer(plain) is plain


def test_a_chat_template_that_lies_beside_the_tokenizer_is_read(tmp_path: Path) -> None:
    source = saved(make_picture_model("llava"), tmp_path)
    (tmp_path / "chat_template.json").write_text('{"chat_template": "{{ messages }}"}')
    assert load_model(source, device="cpu").tokenizer.chat_template == "{{ messages }}"


def make_reward_model(tied: bool = True) -> Any:
    torch.manual_seed(2)
    config = LlamaConfig(**TEXT, num_labels=1, tie_word_embeddings=tied)
    return LlamaForSequenceClassification(config).eval()


def make_t5() -> Any:
    shape = {"vocab_size": 400, "d_model": 32, "num_layers": 1, "num_heads": 2, "d_ff": 32}
    return T5ForConditionalGeneration(T5Config(**shape, d_kv=16))


def make_bart() -> Any:
    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=400,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
        )
    )


def make_bert() -> Any:
    return BertForMaskedLM(
        BertConfig(
            vocab_size=400,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )


OTHER_KINDS = [
    (make_t5, r"is an encoder-decoder model \(T5Config\).*give a causal language model"),
    (make_bart, r"is an encoder-decoder model \(BartConfig\)"),
    (make_bert, r"it is a masked language model.*\(BertForMaskedLM\)"),
    (
        make_reward_model,
        r"it is a reward model or classifier.*LlamaForSequenceClassification\)"
        ".*such as the one that it was made from",
    ),
]


@pytest.mark.parametrize(("make", "message"), OTHER_KINDS)
def test_other_kinds_are_refused_by_name_for_what_they_are(make: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_model(saved(make(), tmp_path), device="cpu")


@pytest.mark.parametrize(("make", "message"), OTHER_KINDS)
def test_other_kinds_are_refused_loaded(make: Any, message: str, rows: Dataset, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score(rows, make(), tokenizer=make_tokenizer(), embedder=str(embedder_folder))


def test_a_reward_model_loaded_as_a_causal_model_is_seen(tmp_path: Path) -> None:
    saved(make_reward_model(), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="it is a reward model or classifier"):
        check_causal(model, "the model")


def test_a_reward_model_whose_configuration_hides_it_is_seen_by_its_weights(
    tmp_path: Path,
) -> None:
    source = saved(make_reward_model(), tmp_path)
    path = tmp_path / "config.json"
    text = path.read_text().replace("LlamaForSequenceClassification", "LlamaForCausalLM")
    path.write_text(text)
    with pytest.raises(InputError, match=r"a reward model.*\(weights score\.weight\)"):
        load_model(source, device="cpu")


def test_a_model_without_an_output_layer_is_refused(rows: Dataset) -> None:
    with pytest.raises(InputError, match="no output layer for words; load it with AutoModelFor"):
        score(rows, LlamaModel(LlamaConfig(**TEXT)), tokenizer=make_tokenizer())


def test_a_model_that_cannot_run_on_text_is_refused_with_how_to_get_its_text(
    tmp_path: Path,
) -> None:
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 400}, vision_config={**tower, "image_size": 28, "patch_size": 14}
    )
    source = saved(CLIPModel(config), tmp_path)
    with pytest.raises(InputError, match=r"CLIPConfig.* text alone.*no class for its text part"):
        load_model(source, device="cpu")


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_model_in_training_mode_is_scored_without_dropout_and_left_as_it_was(
    kind: str, rows: Dataset, embedder_folder: Path
) -> None:
    model = make_model(kind)
    expected = score(rows, model, tokenizer=make_tokenizer(), embedder=str(embedder_folder))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    model.train()
    frozen = (model.model.layers if kind == "llama" else model.transformer.h)[0]
    frozen.eval()
    before = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    found = score(rows, model, tokenizer=make_tokenizer(), embedder=str(embedder_folder))
    assert found["miwv"] == expected["miwv"]
    assert [module.training for module in model.modules()] == before
    assert torch.equal(torch.get_rng_state(), state)


def test_causality_is_asked_in_evaluation_mode() -> None:
    model = make_model("gpt2").train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.9
    check_causal(model, "the model")
    assert all(module.training for module in model.modules())


def test_a_picture_model_in_training_mode_gives_the_losses_of_evaluation_mode() -> None:
    model, tree = make_picture_model("gemma3"), Tree(list(range(5, 35)), 6)
    expected = plain_loss(model, tree.ids[:-6], tree.ids[-6:])
    losses = ResponseLosses(model.train())
    with losses.ready():
        np.testing.assert_allclose(losses([tree]), [expected], atol=1e-4)


@pytest.mark.parametrize("kind", ["gemma3", "llava", "idefics3"])
def test_the_way_to_a_text_part_that_messages_show(kind: str, tmp_path: Path) -> None:
    whole, tokenizer = make_picture_model(kind), make_tokenizer()
    words = text_part_words(whole.config)
    lines = [line for line in words.partition(": ")[2].split("; ") if not line.startswith("whole")]
    assert len(lines) == 5
    scope = {"whole": whole, "tokenizer": tokenizer, "FOLDER": tmp_path, "AutoModelForCausalLM": AutoModelForCausalLM}
    for line in lines:
        exec(line, scope)  # noqa: S102  lines of our own
    text, ids = load_model(str(tmp_path), device="cpu").model, torch.arange(5, 40)[None]
    assert type(text).__name__.endswith("ForCausalLM")
    with torch.inference_mode():
        torch.testing.assert_close(text(input_ids=ids).logits, whole(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gemma3", "give its text part as a model of its own: whole = transformers.Gemma3For"),
        ("qwen2_vl", "transformers has no class for its text part alone"),
    ],
)
def test_picture_models_are_not_tuned_and_it_is_said_before_anything_is_scored(
    kind: str, words: str, tmp_path: Path
) -> None:
    pytest.importorskip("trl")
    from hf_miwv.training.sft_tuning import Tuning, try_out

    source = saved(make_picture_model(kind), tmp_path)
    tuning = Tuning(source, {"device": "cpu"}, {}, None, None, None)
    with pytest.raises(InputError, match=r"text and pictures.*is not tuned here") as told:
        try_out(tuning)
    assert words in str(told.value)
