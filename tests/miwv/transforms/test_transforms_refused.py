"""Steps, rows and batches that the map transforms refuse, and lack of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from plain import plain_alpaca
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.measure_losses import MeasureLosses, run_passes
from hf_miwv.transforms.steps import ComputeMIWV, EmbedPrompts, RenderPrompts


def test_num_proc(rows: Dataset, model_folder: Path, embedder_folder: Path) -> None:
    rendered = rows.map(RenderPrompts(model_folder), batched=True, num_proc=2)
    assert rendered["rendered_prompt"][:] == [plain_alpaca(row) for row in make_rows()]
    with pytest.raises(InputError, match="leave num_proc out"):
        rendered.map(EmbedPrompts(embedder_folder), batched=True, num_proc=2)


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
