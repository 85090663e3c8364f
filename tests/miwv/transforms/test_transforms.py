"""The map transforms on real (tiny) models: equal to `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from plain import plain_alpaca
from tiny import CHATML, THINKING, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.measure_losses import MeasureLosses
from hf_miwv.transforms.steps import ComputeMIWV, EmbedPrompts, RenderPrompts
from tests.miwv.transforms.transform_chain import chain, check_equal, odd_rows


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
