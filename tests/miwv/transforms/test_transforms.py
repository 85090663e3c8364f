"""The map transforms on real (tiny) models: equal to `score`, cached across real processes."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, load_dataset
from datasets.fingerprint import Hasher
from plain import plain_alpaca
from tiny import CHATML, THINKING, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.rows.schema import SCORE_COLUMNS
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.base import LARGE, content_digest
from hf_miwv.transforms.measure_losses import MeasureLosses, run_passes
from hf_miwv.transforms.steps import ComputeMIWV, EmbedPrompts, RenderPrompts

EXACT = ("row", "neighbor", "response_tokens", "miwv_status", "miwv_flags")
MEASURED = ("neighbor_similarity", "loss_zero_shot", "loss_one_shot", "miwv")


def chain(
    dataset: Dataset,
    model: Path | str,
    embedder: Path | str,
    *,
    batch_size: int = 7,
    render: dict[str, Any] | None = None,
    embed: dict[str, Any] | None = None,
    attach: dict[str, Any] | None = None,
    measure: dict[str, Any] | None = None,
) -> Dataset:
    """All five steps, as the README shows them, in batches that split the data set."""
    render, sizes = render or {}, {"batched": True, "batch_size": batch_size}
    rendered = dataset.map(RenderPrompts(model, **render), **sizes)
    embedded = rendered.map(EmbedPrompts(embedder, device="cpu", **(embed or {})), **sizes)
    columns = {name: value for name, value in render.items() if name == "columns"}
    attach_step = AttachDemonstration.from_dataset(embedded, device="cpu", **columns, **(attach or {}))
    attached = embedded.map(attach_step, with_indices=True, **sizes)
    measure_step = MeasureLosses(model, device="cpu", **render, **(measure or {}))
    return attached.map(measure_step, **sizes).map(ComputeMIWV(), **sizes)


def check_equal(found: Dataset, expected: Dataset) -> None:
    for name in EXACT:
        assert found[name][:] == expected[name][:], name
    for name in MEASURED:
        one, other = (np.array(data[name][:], dtype=float) for data in (found, expected))
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4, err_msg=name)
    for name in SCORE_COLUMNS:
        assert found.features[name] == expected.features[name], name


def odd_rows() -> list[dict[str, str]]:
    """Rows of every status and flag, none of them among the first seven."""
    rows = make_rows(20)
    rows[9]["output"] = ""
    rows[11]["output"] = " \n"
    rows[12] = dict(rows[8], output="another answer")  # the same prompt
    rows[13] = dict(rows[8])  # the same row
    rows[15]["output"] = "rain " * 200  # longer than the limit by itself
    rows[16]["output"] = "water " * 60  # leaves room for a part of the demonstration
    return rows


def test_the_chain_equals_score(model_folder: Path, embedder_folder: Path) -> None:
    dataset = Dataset.from_list(odd_rows())
    expected = score(
        dataset,
        str(model_folder),
        embedder=str(embedder_folder),
        max_length=250,
        device="cpu",
        progress=False,
    )
    assert set(expected["miwv_status"]) == {"ok", "empty_response", "demonstration_dropped"}
    assert {flag for flags in expected["miwv_flags"] for flag in flags} == {
        "demonstration_trimmed",
        "response_truncated",
        "duplicate_prompt",
    }
    found = chain(dataset, model_folder, embedder_folder, measure={"max_length": 250, "batch_tokens": 600})
    check_equal(found, expected)
    assert found["rendered_prompt"][:] == [plain_alpaca(row) for row in odd_rows()]
    assert found["demonstration_output"][0] == odd_rows()[found["neighbor"][0]]["output"]
    kept, wanted = select(found, fraction=0.2), select(expected, fraction=0.2)
    assert kept["row"][:] == wanted["row"][:]


def conversation(row: dict[str, str], names: tuple[str, str], keys: tuple[str, str]) -> list[Any]:
    contents = zip(names, (row["instruction"], row["output"]), strict=True)
    return [dict(zip(keys, turn, strict=True)) for turn in contents]


@pytest.mark.parametrize(
    ("shape", "chat_template"),
    [("messages", CHATML), ("conversations", THINKING), ("mapped", CHATML)],
)
def test_the_chain_equals_score_on_conversations(
    shape: str, chat_template: str, embedder_folder: Path, tmp_path: Path
) -> None:
    make_model("qwen3").save_pretrained(tmp_path)
    make_tokenizer(bos=False, chat_template=chat_template).save_pretrained(tmp_path)
    rows, settings = make_rows(12), {}
    if shape == "mapped":
        dataset = Dataset.from_list([{"q": r["instruction"], "a": r["output"]} for r in rows])
        settings = {"columns": {"prompt": "q", "completion": "a"}, "template": "chat"}
    else:
        words = (("user", "assistant"), ("role", "content"))
        words = words if shape == "messages" else (("human", "gpt"), ("from", "value"))
        dataset = Dataset.from_list([{shape: conversation(row, *words)} for row in rows])
    more = {"max_length": 75, "dtype": "float32"}
    expected = score(
        dataset,
        str(tmp_path),
        embedder=str(embedder_folder),
        pooling="model",
        embed_text="bare",
        device="cpu",
        progress=False,
        **settings,
        **more,
    )
    assert "demonstration_trimmed" in {flag for flags in expected["miwv_flags"] for flag in flags}
    embed = {"pooling": "model", "embed_text": "bare"}
    if shape == "mapped":
        embed["columns"] = settings["columns"]
    found = chain(dataset, tmp_path, embedder_folder, render=settings, embed=embed, measure=more)
    check_equal(found, expected)


def test_neighbors_with_another_prompt(model_folder: Path, embedder_folder: Path) -> None:
    dataset = Dataset.from_list(odd_rows())
    expected = score(
        dataset,
        str(model_folder),
        embedder=str(embedder_folder),
        device="cpu",
        progress=False,
        avoid_duplicate_neighbors=True,
    )
    found = chain(dataset, model_folder, embedder_folder, attach={"avoid_duplicate_neighbors": True})
    check_equal(found, expected)
    assert found["neighbor"][8] not in (8, 12, 13)


def test_row_wise_steps_on_a_stream_and_on_splits(rows: Dataset, model_folder: Path, embedder_folder: Path) -> None:
    steps = [RenderPrompts(model_folder), EmbedPrompts(embedder_folder, device="cpu")]
    whole, stream = rows, rows.to_iterable_dataset()
    splits = DatasetDict({"train": rows, "test": rows.select(range(5))})
    for step in steps:
        whole, stream, splits = (data.map(step, batched=True, batch_size=10) for data in (whole, stream, splits))
    attach = AttachDemonstration.from_dataset(splits["train"], device="cpu")
    measure = MeasureLosses(model_folder, device="cpu")
    for step in (attach, measure, ComputeMIWV()):
        whole, stream = (data.map(step, batched=True, batch_size=10) for data in (whole, stream))
    streamed = list(stream)
    assert [row["neighbor"] for row in streamed] == whole["neighbor"][:]
    np.testing.assert_allclose([row["miwv"] for row in streamed], whole["miwv"][:], atol=1e-5)
    assert splits["test"]["rendered_prompt"][:] == whole["rendered_prompt"][:5]
    with pytest.raises(InputError, match=r'choose the split: embedded\["train"\]'):
        AttachDemonstration.from_dataset(splits)  # type: ignore[arg-type]


SECOND = """
import json, sys
from datasets import load_dataset
from datasets.fingerprint import Hasher
from hf_miwv.transforms.steps import *

data, model, embedder, device = sys.argv[1:]
dataset = load_dataset("json", data_files=data, split="train")
hashes, files = [], []

def step(dataset, transform):
    hashes.append(Hasher.hash(transform))
    mapped = dataset.map(transform, batched=True)
    files.extend(file["filename"] for file in mapped.cache_files)
    return mapped

rendered = step(dataset, RenderPrompts(model))
embedded = step(rendered, EmbedPrompts(embedder, device=device))
attached = step(embedded, AttachDemonstration.from_dataset(embedded, device=device))
measured = step(attached, MeasureLosses(model, device=device, batch_tokens=999))
scored = step(measured, ComputeMIWV())
refused = []
attach = AttachDemonstration.from_dataset(embedded, device=device)
for rows, transform in (
    (rendered, EmbedPrompts(embedder, device=device)),
    (embedded, attach),
    (attached, MeasureLosses(model, device=device)),
):
    try:
        transform(rows[:2])
    except ValueError as error:
        refused.append(str(error))
result = {"hashes": hashes, "files": files, "miwv": scored["miwv"][:], "refused": refused}
print(json.dumps(result))
"""


def test_a_second_process_finds_everything_in_the_cache(
    model_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    """The second process names a device that does not exist, so whatever loads a model or
    searches fails there; "refused" shows that it does."""
    data = tmp_path / "rows.json"
    data.write_text(json.dumps(make_rows()))
    dataset = load_dataset("json", data_files=str(data), split="train")
    steps: list[Any] = []
    files: list[str] = []

    def apply(dataset: Dataset, step: Any) -> Dataset:
        steps.append((step, Hasher.hash(step)))
        mapped = dataset.map(step, batched=True)
        files.extend(file["filename"] for file in mapped.cache_files)
        return mapped

    rendered = apply(dataset, RenderPrompts(model_folder))
    embedded = apply(rendered, EmbedPrompts(embedder_folder, device="cpu"))
    attached = apply(embedded, AttachDemonstration.from_dataset(embedded, device="cpu"))
    measured = apply(attached, MeasureLosses(model_folder, device="cpu"))
    scored = apply(measured, ComputeMIWV())
    for step, before in steps:
        assert Hasher.hash(step) == before  # though its model is loaded now
        assert len(pickle.dumps(step)) < 20_000
    times = {file: os.stat(file).st_mtime_ns for file in files}

    words = [sys.executable, "-c", SECOND, data, model_folder, embedder_folder, "cuda:99"]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    second = json.loads(ran.stdout.splitlines()[-1])
    assert second["hashes"] == [before for _, before in steps]
    assert second["files"] == files
    assert second["miwv"] == scored["miwv"][:]
    reason = "device 'cuda:99' cannot be used here"
    assert [reason in text for text in second["refused"]] == [True] * 3
    assert {file: os.stat(file).st_mtime_ns for file in files} == times


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({"device": "cpu"}, {"device": "cuda:3", "batch_tokens": 9}, True),
        ({"columns": {"prompt": "a", "completion": "b"}}, {"columns": {"completion": "b", "prompt": "a"}}, True),
        ({}, {"dtype": "bfloat16"}, False),
        ({}, {"max_length": 100}, False),
        ({}, {"template": "plain"}, False),
        ({}, {"revision": "abc"}, False),
        ({}, {"quantization": "4bit"}, False),
    ],
)
def test_what_the_fingerprint_depends_on(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    first, second = MeasureLosses("owner/name", **one), MeasureLosses("owner/name", **other)
    assert (Hasher.hash(first) == Hasher.hash(second)) == same
    copy = pickle.loads(pickle.dumps(second))  # noqa: S301
    assert Hasher.hash(copy) == Hasher.hash(second)
    assert copy.device is None


def test_a_changed_folder_is_another_fingerprint(rows: Dataset, model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    step = RenderPrompts(folder)
    before = Hasher.hash(step)
    assert Hasher.hash(RenderPrompts(folder)) == before
    make_model("llama", tied=False).save_pretrained(folder)
    assert Hasher.hash(RenderPrompts(folder)) != before
    assert Hasher.hash(step) == before
    with pytest.raises(InputError, match="has changed since this RenderPrompts was made"):
        rows.map(step, batched=True)


def test_a_changed_template_file_is_another_fingerprint(rows: Dataset, model_folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "prompt.jinja"
    template.write_text("Q: {{ prompt }}")
    step = RenderPrompts(model_folder, template=str(template))
    assert rows.map(step, batched=True)["rendered_prompt"][1].startswith("Q: ")
    template.write_text("A: {{ prompt }}")
    changed = RenderPrompts(model_folder, template=str(template))
    assert Hasher.hash(changed) != Hasher.hash(step)


def test_large_files_count_by_size_and_time(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    with open(weights, "wb") as file:
        file.truncate(LARGE + 1)
    before = content_digest(str(tmp_path))
    (tmp_path / ".hidden").write_text("x")
    assert content_digest(str(tmp_path)) == before
    os.utime(weights, ns=(1, 1))
    assert content_digest(str(tmp_path)) != before
    assert content_digest("owner/name") is None


def test_num_proc(rows: Dataset, model_folder: Path, embedder_folder: Path) -> None:
    rendered = rows.map(RenderPrompts(model_folder), batched=True, num_proc=2)
    assert rendered["rendered_prompt"][:] == [plain_alpaca(row) for row in make_rows()]
    with pytest.raises(InputError, match="leave num_proc out"):
        rendered.map(EmbedPrompts(embedder_folder), batched=True, num_proc=2)


@pytest.fixture(scope="module")
def embedded(model_folder: Path, embedder_folder: Path) -> Dataset:
    rendered = Dataset.from_list(odd_rows()).map(RenderPrompts(model_folder), batched=True)
    return rendered.map(EmbedPrompts(embedder_folder, device="cpu"), batched=True)


def test_copies_are_told_apart_by_their_index(embedded: Dataset) -> None:
    step = AttachDemonstration.from_dataset(embedded, device="cpu")
    with pytest.raises(InputError, match="rows 8 and 13 have the same prompt and response"):
        embedded.map(step, batched=True)
    shuffled = embedded.select([13, 2, 8])
    with pytest.raises(InputError, match="with_indices=True"):
        shuffled.map(step, batched=True, with_indices=True)
    others = embedded.select([5, 2]).map(step, batched=True)
    assert others["row"][:] == [5, 2]
    assert others.features["demonstration_input"] == embedded.features["input"]


def test_rows_from_elsewhere(embedded: Dataset) -> None:
    step = AttachDemonstration.from_dataset(embedded.select(range(5)), device="cpu")
    with pytest.raises(InputError, match="this batch: row 5 is not in the data set"):
        embedded.map(step, batched=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MeasureLosses(make_model("llama")),
            "model came as LlamaForCausalLM, and a loaded object has no hash",
        ),
        (lambda: RenderPrompts(make_tokenizer()), "give a Hub id or a folder"),
        (lambda: MeasureLosses("a/b", batch_tokens=0), "batch_tokens 0: give 1 or more"),
        (lambda: EmbedPrompts("a/b", pooling="men"), "pooling 'men' is not one of ours: did you"),
        (lambda: EmbedPrompts("a/b", embed_text="bald"), "embed_text 'bald' is not one of ours"),
    ],
)
def test_what_a_step_is_not_made_of(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("drop", "make", "message"),
    [
        (["rendered_prompt"], AttachDemonstration.from_dataset, "map RenderPrompts first"),
        (["prompt_embedding"], AttachDemonstration.from_dataset, "map EmbedPrompts first"),
        ([], lambda data: AttachDemonstration.from_dataset(data, search="exat"), "no such search"),
    ],
)
def test_what_neighbors_are_not_found_in(drop: list[str], make: Any, message: str, embedded: Dataset) -> None:
    with pytest.raises(InputError, match=message):
        make(embedded.remove_columns(drop))


def test_vectors_of_another_length_are_refused(embedded: Dataset) -> None:
    longer = [[2 * x for x in vector] for vector in embedded["prompt_embedding"]]
    other = embedded.remove_columns("prompt_embedding").add_column("prompt_embedding", longer)
    with pytest.raises(InputError, match=r"row 0: .* vector of length 2; give unit vectors"):
        other.map(AttachDemonstration.from_dataset(other, device="cpu"), batched=True)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"text": ["a"]}, "columns found: text"),
        ({"instruction": "a", "output": "b"}, r"call map\(..., batched=True\)"),
        ({"instruction": ["a", None], "output": ["b", "c"]}, "this batch: row 1: column 'instr"),
        (
            {"instruction": ["a"], "output": ["b"], "rendered_prompt": ["c"]},
            "already have the column rendered_prompt; rename them, or remove",
        ),
        ({"messages": [[{"role": "user", "content": "a"}]]}, "this batch: row 0: column 'mess"),
        (
            {"messages": [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]},
            "this batch: row 0: the template",
        ),
    ],
)
def test_batches_that_cannot_be_rendered(
    batch: dict[str, Any], message: str, model_folder: Path, tmp_path: Path
) -> None:
    template = tmp_path / "prompt.jinja"
    template.write_text("{{ prompt }}{% if messages %}{{ missing }}{% endif %}")
    with pytest.raises(InputError, match=message):
        RenderPrompts(model_folder, template=template)(batch)


def test_steps_out_of_order(embedded: Dataset, model_folder: Path) -> None:
    with pytest.raises(InputError, match="'miwv_flags': map AttachDemonstration first"):
        embedded.map(MeasureLosses(model_folder), batched=True)
    with pytest.raises(InputError, match="'loss_zero_shot': map MeasureLosses first"):
        embedded.map(ComputeMIWV(), batched=True)


def test_another_template_than_the_rendered_one(embedded: Dataset, model_folder: Path) -> None:
    step = AttachDemonstration.from_dataset(embedded, device="cpu")
    attached = embedded.map(step, batched=True, with_indices=True)
    with pytest.raises(InputError, match="row 0: 'rendered_prompt' is not what this MeasureLosses"):
        attached.map(MeasureLosses(model_folder, template="plain", device="cpu"), batched=True)


def small_passes() -> Passes:
    contexts = [[1, 20 + index, 30, 40] for index in range(6)]
    responses = TokenTable([[50 + index] * (index + 1) for index in range(6)])
    return Passes(TokenTable(contexts), TokenTable([[]] * 6), responses)


@pytest.mark.parametrize("largest", [3, 1])
def test_a_lack_of_memory_halves_the_batch(largest: int) -> None:
    model = make_model("llama")
    expected = run_passes(model, small_passes(), 1000)
    sizes = []

    def fail(module: Any, args: Any, given: dict[str, Any]) -> None:
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > largest:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.register_forward_pre_hook(fail, with_kwargs=True)
    np.testing.assert_allclose(run_passes(model, small_passes(), 1000), expected, atol=1e-5)
    assert sizes[0] == 6
    assert np.isnan(expected[6:]).all()


def test_a_pass_that_never_fits_is_said() -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model = make_model("llama")
    model.register_forward_pre_hook(fail)
    with pytest.raises(InputError, match="10 tokens do not fit into memory at once"):
        run_passes(model, small_passes(), 1000)


def test_rows_with_a_format(model_folder: Path) -> None:
    """A number in the arguments of a template would be written as `tensor(1)`."""
    rows = Dataset.from_list(
        [{"prompt": f"say {i}", "completion": f"{i}", "chat_template_kwargs": {"depth": [i]}} for i in range(3)]
    )
    step = RenderPrompts(model_folder)
    expected = rows.map(step, batched=True).to_list()
    for form, named in (("torch", "Tensor"), ("numpy", "ndarray"), ("pandas", "DataFrame"), ("arrow", "Table")):
        formatted = rows.with_format(form)
        with pytest.raises(InputError, match=f"came as {named}") as caught:
            formatted.map(step, batched=True)
        pasted = "dataset.with_format(None).map(step, batched=True)"
        assert pasted in str(caught.value)
        mapped = eval(pasted, {"dataset": formatted, "step": step})  # noqa: S307  the message's own
        assert mapped.to_list() == expected
    texts = rows.remove_columns("chat_template_kwargs").with_format("torch")
    assert texts.map(step, batched=True)["rendered_prompt"][0] == expected[0]["rendered_prompt"]
