"""TRL's trainers as they come, with the callbacks: rows as TRL tokenizes them, LoRA, QLoRA, DPO."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from tiny import CHATML, THINKING, make_model, make_rows, make_tokenizer
from trainers import make_texts
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

from hf_miwv import score
from hf_miwv.callbacks.callbacks import MIWVDriftCallback, MIWVSelectionCallback
from hf_miwv.callbacks.live_scoring import LiveScorer
from hf_miwv.callbacks.trainer_rows import read_trainer_rows
from hf_miwv.common.errors import InputError

trl = pytest.importorskip("trl")
peft = pytest.importorskip("peft")

GENERATION = CHATML.replace(
    "{{ m.content }}<|im_end|>",
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m.content }}<|im_end|>{% endif %}",
)


@pytest.fixture(scope="module")
def embedder(embedder_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(embedder_folder), device="cpu")


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("datasets").setLevel(logging.ERROR)


def turns(text: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": text["prompt"].strip()},
        {"role": "assistant", "content": text["completion"]},
    ]


TEXTS = make_texts()
STRINGS = Dataset.from_list(TEXTS)
CHATS = Dataset.from_list([{"prompt": turns(text)[:1], "completion": turns(text)[1:]} for text in TEXTS])
MESSAGES = Dataset.from_list([{"messages": turns(text)} for text in TEXTS])


def configure(folder: Path, kind: Any = None, **settings: Any) -> Any:
    return (kind or trl.SFTConfig)(
        **{
            "output_dir": str(folder),
            "use_cpu": True,
            "bf16": False,
            "report_to": [],
            "disable_tqdm": True,
            "per_device_train_batch_size": 2,
            "num_train_epochs": 2,
            "save_strategy": "no",
            "logging_steps": 1,
            **settings,
        }
    )


def sft(folder: Path, dataset: Dataset, template: str | None = None, **settings: Any) -> Any:
    given = {name: settings.pop(name) for name in ("peft_config", "eval_dataset", "model") if name in settings}
    return trl.SFTTrainer(
        given.pop("model", None) or make_model("llama"),
        args=configure(folder, **settings),
        train_dataset=dataset,
        processing_class=make_tokenizer(chat_template=template),
        **given,
    )


@pytest.mark.parametrize(
    ("dataset", "template", "settings", "kept"),
    [
        (STRINGS, None, {}, True),
        (STRINGS, None, {}, False),
        (CHATS, CHATML, {}, True),
        (CHATS, CHATML, {}, False),
        (CHATS, THINKING, {}, False),  # TRL labels the empty think block
        (MESSAGES, GENERATION, {"assistant_only_loss": True}, False),
        (MESSAGES, CHATML, {}, True),  # loss on everything: the kept text tells
        (STRINGS, None, {"completion_only_loss": False}, True),
    ],
)
def test_scores_are_those_of_the_text(
    dataset: Dataset,
    template: str | None,
    settings: dict[str, Any],
    kept: bool,
    embedder: Any,
    tmp_path: Path,
) -> None:
    expected = score(
        dataset,
        make_model("llama"),
        embedder=embedder,
        progress=False,
        tokenizer=make_tokenizer(chat_template=template),
    )
    trainer = sft(tmp_path, dataset, template, **settings)
    if not kept:
        trainer.train_dataset = trainer.train_dataset.select_columns(["input_ids", "labels"])
    whole = trainer.train_dataset
    rows = read_trainer_rows(whole, trainer.processing_class)
    scores = LiveScorer(trainer, rows, embedder)()
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.25, embedder=embedder))
    np.testing.assert_allclose(scores.zero_shot, expected["loss_zero_shot"], atol=1e-4)
    np.testing.assert_allclose(scores.one_shot, expected["loss_one_shot"], atol=1e-4)
    best = np.argsort(-np.array(expected["miwv"]), kind="stable")[:6]
    assert trainer.train_dataset.rows == sorted(best.tolist())
    trainer.train()
    assert trainer.state.global_step == 6
    seen = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
    assert seen[-1] == 2 * sum(len(whole[int(row)]["input_ids"]) for row in best)
    assert all("entropy" in e for e in trainer.state.log_history if "loss" in e)  # TRL's own


def make_adapter(**settings: Any) -> Any:
    modules = ["q_proj", "v_proj"]
    return peft.LoraConfig(r=4, lora_dropout=0.1, target_modules=modules, **settings)


@pytest.mark.parametrize("half", [False, True])
def test_lora_is_scored_as_it_stands(half: bool, embedder: Any, tmp_path: Path) -> None:
    def train(callback: bool) -> Any:
        trainer = sft(
            tmp_path / str(callback),
            STRINGS,
            peft_config=make_adapter(),
            learning_rate=0.05,
            bf16=half,
            gradient_checkpointing=True,
        )
        if callback:
            trainer.add_callback(MIWVDriftCallback(trainer, sample=8, embedder=embedder))
            trainer.add_callback(MIWVSelectionCallback(trainer, 1, refresh=3, embedder=embedder))
        trainer.train()
        return trainer

    scored, plain = train(True), train(False)
    pairs = zip(scored.model.parameters(), plain.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)  # all 24 rows: the same training
    middles = [e["miwv_quantile_50"] for e in scored.state.log_history if "miwv_quantile_50" in e]
    assert len(set(middles)) == len(middles) == 8


def test_qlora_is_scored_as_it_stands(embedder: Any, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(7)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=400,
            num_attention_heads=4,
            num_key_value_heads=4,
            initializer_range=0.3,
            max_position_embeddings=512,
            **shape,
        )
    ).save_pretrained(tmp_path / "model")

    def train(callback: bool) -> Any:
        model = AutoModelForCausalLM.from_pretrained(
            tmp_path / "model",
            quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
        )
        trainer = sft(
            tmp_path / str(callback),
            STRINGS,
            model=model,
            peft_config=make_adapter(),
            learning_rate=0.05,
            num_train_epochs=1,
        )
        if callback:
            trainer.add_callback(MIWVSelectionCallback(trainer, 1, refresh=4, embedder=embedder))
        before = [weight.clone() for weight in trainer.model.parameters() if weight.requires_grad]
        trainer.train()
        after = [weight for weight in trainer.model.parameters() if weight.requires_grad]
        assert not any(map(torch.equal, before, after))
        return trainer

    pairs = zip(train(True).model.parameters(), train(False).model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_choice_with_fresh_adapters_is_read_again(embedder: Any, tmp_path: Path) -> None:
    for _ in range(2):
        trainer = sft(tmp_path, STRINGS, peft_config=make_adapter())
        MIWVSelectionCallback(trainer, 0.25, embedder=embedder)
        found = (tmp_path / "miwv_choice.json").stat().st_mtime_ns
    assert (tmp_path / "miwv_choice.json").stat().st_mtime_ns == found
    assert len(list(tmp_path.glob("miwv_*"))) == 2


def test_dpo_scores_what_was_chosen(embedder: Any, model_folder: Path, tmp_path: Path) -> None:
    rejected = [row["output"] + " no" for row in make_rows()]
    dataset = Dataset.from_list(
        [
            {"prompt": text["prompt"], "chosen": text["completion"], "rejected": worse}
            for text, worse in zip(TEXTS, rejected, strict=True)
        ]
    )
    trainer = trl.DPOTrainer(
        AutoModelForCausalLM.from_pretrained(model_folder),
        train_dataset=dataset,
        args=configure(tmp_path, trl.DPOConfig),
        processing_class=make_tokenizer(),
    )
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.25, embedder=embedder))
    expected = score(STRINGS, make_model("llama"), tokenizer=make_tokenizer(), embedder=embedder, progress=False)
    best = np.argsort(-np.array(expected["miwv"]), kind="stable")[:6]
    assert trainer.train_dataset.rows == sorted(best.tolist())
    trainer.train()
    assert trainer.state.global_step == 6


def test_what_cannot_be_scored(embedder: Any, tmp_path: Path) -> None:
    packed = sft(tmp_path / "packed", STRINGS, packing=True, packing_strategy="wrapped", max_length=64)
    with pytest.raises(InputError, match="set packing=False"):
        MIWVSelectionCallback(packed, 0.5, embedder=embedder)
    adapter = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    model = peft.get_peft_model(make_model("llama"), adapter)
    tuned = sft(tmp_path / "tuned", STRINGS, model=model)
    with pytest.raises(InputError, match="virtual tokens"):
        MIWVSelectionCallback(tuned, 0.5, embedder=embedder)
    blind = sft(tmp_path / "blind", MESSAGES, CHATML)
    blind.train_dataset = blind.train_dataset.remove_columns("messages")
    with pytest.raises(InputError, match="assistant_only_loss=True for messages"):
        MIWVSelectionCallback(blind, 0.5, embedder=embedder)
