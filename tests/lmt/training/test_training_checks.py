"""What is looked at before the first step, and said when something runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tiny import CHATML, make_model, make_tokenizer
from tokenizers import processors

from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.method.prompts import prompt_ids
from hf_lmt.recipes.launch import Launch
from hf_lmt.training.checks_before import (
    check_evaluation,
    check_first_batch,
    check_special_tokens,
)
from hf_lmt.training.placement import _load_for_shards
from hf_lmt.training.training_tokens import MASKED, tokenize_rows
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.folder import write_errors
from tests.lmt.data.method.test_prompts import QWEN3
from tests.lmt.data.prepare.prepared_rows import WORDS, lines, table
from tests.lmt.training.test_training import cache, invoke, recipe, refused, succeed, tiny  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")


def rows_of(count: int = 6, form: str = "conversation") -> Dataset:
    records = [
        {
            "source_lang": "en",
            "target_lang": "de",
            "source": line["en"],
            "target": line["de"],
            "corpus": "mine",
            "row_key": str(number),
        }
        for number, line in enumerate(lines(count, ("en", "de")))
    ]
    return ParallelMultilingualPrompting(form=form)(Dataset.from_list(records))


def tokenizer_of(template: str | None = CHATML, end: str = "<|im_end|>") -> Any:
    tokenizer = make_tokenizer(bos=False, chat_template=template)
    tokenizer.eos_token = end
    return tokenizer


@pytest.mark.parametrize(
    ("form", "template", "tail"),
    [
        ("conversation", CHATML, "<|im_end|>\n"),
        ("conversation", QWEN3, "<|im_end|>\n"),
        ("text", None, "</s>"),
    ],
    ids=["chatml", "qwen3", "text"],
)
def test_tokens_are_the_inference_prompt_the_target_and_its_end(
    form: str, template: str | None, tail: str, tmp_path: Path
) -> None:
    tokenizer = tokenizer_of(template, "</s>" if form == "text" else "<|im_end|>")
    rows = rows_of(form=form)
    found = tokenize_rows(rows, tokenizer, None, tmp_path / "t.arrow", progress=False)
    assert found.counts["used"] == 6
    for example in found.dataset:
        row = rows[example["row"]]
        prompt = prompt_ids(tokenizer, row)
        assert example["input_ids"][: len(prompt)] == prompt
        assert example["labels"][: len(prompt)] == [MASKED] * len(prompt)
        target = example["labels"][len(prompt) :]
        assert target == example["input_ids"][len(prompt) :]
        lead = " " if form == "text" else ""
        assert tokenizer.decode(target) == lead + row["target"] + tail


@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("form", ["conversation", "text"])
def test_a_tokenizer_and_a_template_that_both_begin_do_so_once(form: str, control: bool, tmp_path: Path) -> None:
    """The tokenizer adds <s> by itself, and the chat template prints it as well."""
    template = "{{ bos_token }}" + CHATML if form == "conversation" else None
    tokenizer = make_tokenizer(bos=True, chat_template=template)
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    rows = rows_of(form=form)
    if control:  # such rows are encoded apart, so that a text cannot hold control tokens
        sources = [
            row | {"source": f"{row['source']} </s>"}
            for row in rows.select_columns(["source_lang", "target_lang", "source", "target"])
        ]
        rows = ParallelMultilingualPrompting(form=form)(Dataset.from_list(sources))
    found = tokenize_rows(rows, tokenizer, None, tmp_path / "t.arrow", progress=False)
    assert found.counts["used"] == 6
    for example in found.dataset:
        ids = example["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert ids.count(tokenizer.bos_token_id) == 1
        assert ids[: len(ids) - sum(label != MASKED for label in example["labels"])] == prompt_ids(
            tokenizer, rows[example["row"]]
        )


@pytest.mark.parametrize("text", ["hello world", "hello world</s>", "hello </s> world"])
def test_a_tokenizer_that_ends_texts_by_itself_ends_them_once(text: str, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(bos=True)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[("<s>", tokenizer.bos_token_id), ("</s>", tokenizer.eos_token_id)],
    )
    assert tokenizer("a")["input_ids"][-1] == tokenizer.eos_token_id
    found = tokenize_rows(Dataset.from_list([{"text": text}]), tokenizer, None, tmp_path / "t.arrow", progress=False)
    ids = found.dataset[0]["input_ids"]
    assert [ids.count(one) for one in (tokenizer.bos_token_id, tokenizer.eos_token_id)] == [1, 1]
    assert ids[-1] == tokenizer.eos_token_id


def test_long_rows_are_cut_or_left_out_and_counted(tmp_path: Path) -> None:
    tokenizer, rows = tokenizer_of(), rows_of(4)
    lengths = [len(prompt_ids(tokenizer, row)) for row in rows]
    limit = max(lengths) + 3
    found = tokenize_rows(rows, tokenizer, limit, tmp_path / "a.arrow", progress=False)
    assert found.counts["cut"] == found.counts["used"] == 4
    assert found.counts["longest"] == limit
    labeled = sum(label != MASKED for one in found.dataset for label in one["labels"])
    assert found.counts["target_tokens"] == labeled == sum(limit - one for one in lengths)
    with pytest.raises(InputError, match="none of the 4 rows has room for a target"):
        tokenize_rows(rows, tokenizer, 10, tmp_path / "b.arrow", progress=False)


def test_a_template_whose_prompts_differ_is_refused(tmp_path: Path) -> None:
    uneven = CHATML.replace("assistant\n{% endif %}", "assistant: {% endif %}")
    with pytest.raises(InputError, match=r"en-de row '0'.*so training and translating would"):
        tokenize_rows(rows_of(), tokenizer_of(uneven), None, tmp_path / "t", progress=False)


@pytest.mark.parametrize(
    ("template", "embeddings", "message"),
    [
        (CHATML, 400, None),
        (CHATML, 3, "has no embedding: the model has 3"),
        (CHATML.replace("im_start", "im_begin"), 400, "writes <|im_begin|>, which the tokenizer takes"),
    ],
    ids=["right", "small", "unknown"],
)
def test_special_tokens(template: str, embeddings: int, message: str | None) -> None:
    tokenizer, rows = tokenizer_of(template), rows_of(1)
    if message is None:
        words = check_special_tokens(tokenizer, rows, embeddings)
        assert words == ["<|im_end|>", "<|im_start|>"]
    else:
        with pytest.raises(InputError) as told:
            check_special_tokens(tokenizer, rows, embeddings)
        assert message in str(told.value)


def trainer_on(dataset: Dataset, tokenizer: Any, folder: Path, end: str | None) -> Any:
    from trl import SFTConfig, SFTTrainer

    settings = SFTConfig(
        output_dir=str(folder),
        report_to="none",
        use_cpu=True,
        bf16=False,
        max_length=None,
        per_device_train_batch_size=3,
        dataset_kwargs={"skip_prepare_dataset": True},
        eos_token=end,
    )
    return SFTTrainer(make_model("qwen3"), args=settings, train_dataset=dataset, processing_class=tokenizer)


def all_labeled(one: dict[str, Any]) -> dict[str, Any]:
    return {"labels": one["input_ids"]}


def none_labeled(one: dict[str, Any]) -> dict[str, Any]:
    return {"labels": [MASKED] * len(one["labels"])}


def of_another(one: dict[str, Any]) -> dict[str, Any]:
    return {"row": (one["row"] + 1) % 6}


@pytest.mark.parametrize(
    ("change", "end", "message"),
    [
        (None, "<|im_end|>", None),
        (all_labeled, "<|im_end|>", "the loss is over"),
        (none_labeled, "<|im_end|>", "no token of its target has a label"),
        (of_another, "<|im_end|>", "and the target is 'guten Morgen lieber Freund 1001'"),
        (None, None, "generation stops at </s> only, so the model would not stop; give eos_token"),
    ],
)
def test_the_first_batch(change: Any, end: str | None, message: str | None, tmp_path: Path) -> None:
    rows, tokenizer = rows_of(), tokenizer_of(end=end or "</s>")
    dataset = tokenize_rows(rows, tokenizer, None, tmp_path / "t", progress=False).dataset
    trainer = trainer_on(dataset.map(change) if change else dataset, tokenizer, tmp_path, end)
    if end is None:
        trainer.model.generation_config.eos_token_id = 2
    if message is None:
        counted = check_first_batch(trainer, rows, mixture=False)
        assert counted["rows"] == 3
        assert 0 < counted["labeled"] < counted["tokens"]
    else:
        with pytest.raises(InputError) as told:
            check_first_batch(trainer, rows, mixture=False)
        assert message in str(told.value)


def test_the_first_batch_for_a_model_that_never_ends(tmp_path: Path) -> None:
    rows, tokenizer = rows_of(), tokenizer_of(end="</s>")
    dataset = tokenize_rows(rows, tokenizer, None, tmp_path / "t", progress=False).dataset
    trainer = trainer_on(dataset, tokenizer, tmp_path, None)
    for config in (trainer.model.generation_config, trainer.model.config):
        config.eos_token_id = None
    with pytest.raises(InputError, match="names no token at which generation stops"):
        check_first_batch(trainer, rows, mixture=False)


def test_training_rows_are_compared_with_the_evaluation_set(
    recipe: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    test_set = table(tmp_path / "test.jsonl", lines(2, ("en", "de")))
    recipe["evaluation"] = {"sets": [test_set]}
    refused(
        invoke(recipe, tmp_path), "of 36 training rows say what an evaluation set says", "take them out with curation"
    )
    other = [{code: f"{WORDS[code]} 77{number}" for code in ("en", "de")} for number in range(2)]
    table(tmp_path / "test.jsonl", other)
    run = succeed(recipe, tmp_path)
    assert run["checks"]["evaluation"]["sets"][test_set]["texts"] == 4


def test_texts_of_a_mixture_are_compared_too(tmp_path: Path) -> None:
    test_set = table(tmp_path / "test.jsonl", [{"en": "a b c d e f g h i j k l m n", "de": "x"}])
    line = "<en2de> so a b c d e f g h i j k l m n <de> und"
    rows = Dataset.from_list(
        [
            {"text": text, "source_lang": "en", "target_lang": "de", "row_key": "1", "corpus": "c"}
            for text in ("nothing of it", line)
        ]
    )
    with pytest.raises(InputError, match="1 of 2 training rows"):
        check_evaluation(rows, [test_set])
    assert "sets" in check_evaluation(rows.select([0]), [test_set])
    assert check_evaluation(rows, []) == {"checked": "not checked"}


def test_the_watch_of_the_evaluation_section_is_in_the_training(
    recipe: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    other = [{code: f"{WORDS[code]} 77{number}" for code in ("en", "de")} for number in range(2)]
    test_set = table(tmp_path / "test.jsonl", other)
    recipe |= {
        "evaluation": {"sets": [test_set], "per_direction": 1, "max_new_tokens": 4},
        "eval_strategy": "steps",
        "eval_steps": 3,
    }
    run = succeed(recipe, tmp_path)
    logged = {name for entry in run["evaluations"] for name in entry}
    assert {"eval_loss_en2x", "eval_chrf_en2x"} <= logged
    out = tmp_path / "out"
    assert (out / "evaluations" / "step-3.json").exists()
    card = (out / "README.md").read_text("utf-8")
    for name in ("chrf_by_group.png", "loss_by_group.png"):
        assert (out / name).stat().st_size > 1000
        assert f"]({name})" in card
    assert "| en2x | loss |" in card


def test_out_of_memory_says_what_to_lower(tmp_path: Path) -> None:
    from trl import SFTConfig

    from hf_lmt.training.stopping import explain_out_of_memory
    from hf_miwv.common.models.memory import is_out_of_memory

    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    settings = SFTConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=3,
    )
    told = str(explain_out_of_memory(settings, 900, {"use_peft": True}, Launch(2, 2)))
    for words in (
        "8 rows of at most 900 tokens",
        "per_device_train_batch_size: 4 in place of 8",
        "accumulation 6",
        "activation_checkpointing: true",
        "load_in_4bit: true",
        "fsdp2.yaml",
    ):
        assert words in told


def test_out_of_memory_of_a_training_by_rewards_says_what_to_lower(tmp_path: Path) -> None:
    from trl import GRPOConfig

    from hf_lmt.training.stopping import explain_out_of_memory

    settings = GRPOConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=4,
        max_completion_length=300,
    )
    message = str(explain_out_of_memory(settings, 900, {}, Launch()))
    assert "steps_per_generation: 2 in place of 4, with save_steps to match" in message
    assert "a max_completion_length below 300; another device for the reward model" in message
    assert "max_length below" not in message


def test_weights_to_be_cut_that_do_not_fit_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", fail)
    with pytest.raises(InputError, match="model 'm' does not fit into the memory of each process"):
        _load_for_shards("m", None, {"revision": None})


def write_to_full_disk(library: str, output: Path) -> None:
    from safetensors import SafetensorError

    from hf_lmt.training.tuning import full_disk

    with write_errors(output), full_disk():
        if library == "torch":
            torch.save({"weight": torch.zeros(1 << 20)}, "/dev/full")
        if library == "python":
            Path("/dev/full").write_bytes(b"0" * 10_000)
        raise SafetensorError("I/O error: No space left on device (os error 28)")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("library", ["torch", "safetensors", "python"])
def test_a_full_disk_is_told_whatever_the_library_calls_it(library: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the disk is full; finished work is kept in out\.work"):
        write_to_full_disk(library, tmp_path / "out")
