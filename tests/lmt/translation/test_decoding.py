"""Batches in a shared cache against `generate`, one row at a time; batches and caps by tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tiny import make_model, make_tokenizer
from transformers import GenerationConfig, GPT2LMHeadModel

from hf_lmt.translation.decoding import decode, sharing_obstacle
from hf_lmt.translation.generate import TransformersBackend, write_halving
from hf_lmt.translation.lengths import length_cap
from hf_lmt.translation.search import BeamSearch
from hf_lmt.translation.store import Entry
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.generation import plan_batches

END = 2
NEAR_TIE = 1e-4  # nats per token


def random_prompts(count: int, seed: int = 1) -> tuple[list[list[int]], list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 40, (count,), generator=generator).tolist()
    prompts = [torch.randint(8, 400, (one,), generator=generator).tolist() for one in lengths]
    return prompts, torch.randint(1, 45, (count,), generator=generator).tolist()


def plainly(model: Any, prompt: list[int], cap: int, ends: list[int], beams: int) -> list[int]:
    """What transformers' own search writes after one prompt."""
    model.generation_config = GenerationConfig(
        do_sample=False, num_beams=beams, max_new_tokens=cap, eos_token_id=ends, pad_token_id=3
    )
    ids = model.generate(torch.tensor([prompt]))[0, len(prompt) :].tolist()
    return next((ids[: at + 1] for at, token in enumerate(ids) if token in ends), ids)


@torch.inference_mode()
def nats_per_token(model: Any, prompt: list[int], written: list[int]) -> float:
    ids = torch.tensor([prompt + written])
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :]).item()


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("beams", [1, 5])
@pytest.mark.parametrize("ends", [[END], [END, 5, *range(100, 140)]], ids=["eos", "many"])
def test_a_batch_equals_its_rows(kind: str, beams: int, ends: list[int]) -> None:
    model = make_model(kind)
    prompts, caps = random_prompts(8)
    found = decode(model, prompts, caps, ends, beams)
    differing = 0
    for prompt, cap, written in zip(prompts, caps, found, strict=True):
        plain = plainly(model, prompt, cap, ends, beams)
        if written != plain:
            differing += 1
            apart = [nats_per_token(model, prompt, ids) for ids in (written, plain)]
            assert abs(apart[0] - apart[1]) < NEAR_TIE
    assert differing <= 1
    assert len({len(written) for written in found}) > 3  # they do not all end together


def test_beams_from_drawn_tokens_are_those_from_logits() -> None:
    """An engine that returns the most probable tokens of each beam leads to the same beams."""
    generator = torch.Generator().manual_seed(2)
    caps, ends = torch.tensor([3, 9, 9]), torch.tensor([END, 5])
    whole, drawn = (BeamSearch(caps, ends, 3) for _ in range(2))
    for beams in (1, *[3] * 8):
        logits = 3 * torch.randn(3, beams, 400, generator=generator)
        logits[..., END] += 9
        step = whole.advance(logits)
        other = drawn.advance_drawn(*logits.log_softmax(-1).topk(5, dim=-1))
        assert torch.equal(step.tokens, other.tokens)
        assert torch.equal(step.parents, other.parents)
        assert torch.equal(whole.done, drawn.done)
    assert [whole.best(row) for row in range(3)] == [drawn.best(row) for row in range(3)]
    assert END in {whole.best(row)[-1] for row in range(3)}


def test_rows_that_end_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = make_model("llama"), []
    plain = type(model).forward

    def seen(self: Any, input_ids: torch.Tensor, **given: Any) -> Any:
        rows.append(input_ids.shape)
        return plain(self, input_ids=input_ids, **given)

    monkeypatch.setattr(type(model), "forward", seen)
    prompts, _ = random_prompts(8)
    written = decode(model, prompts, [3, 3, 3, 3, 3, 3, 3, 30], [399], 5)
    assert [len(ids) for ids in written] == [3] * 7 + [30]
    assert tuple(rows[0]) == (8, max(map(len, prompts)))  # each prompt is read once
    assert [tuple(shape) for shape in rows[1:]] == [(8, 5)] * 2 + [(1, 5)] * 27


def test_what_all_prompts_begin_with_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, shapes = make_model("qwen3"), []
    prompts, caps = random_prompts(6)
    prompts = [[*range(50, 70), *prompt] for prompt in prompts] + [[*range(50, 70), 9]]
    caps, ends = [*caps, 30], [END, *range(100, 140)]
    expected = [plainly(model, *row, ends, 5) for row in zip(prompts, caps, strict=True)]
    plain = type(model).forward

    def seen(self: Any, input_ids: torch.Tensor, **given: Any) -> Any:
        shapes.append(tuple(input_ids.shape))
        return plain(self, input_ids=input_ids, **given)

    monkeypatch.setattr(type(model), "forward", seen)
    assert decode(model, prompts, caps, ends, 5) == expected
    assert shapes[:2] == [(1, 20), (7, max(map(len, prompts)) - 20)]
    assert decode(model, [prompts[0]] * 2, [8] * 2, ends, 5)[0] == plainly(model, prompts[0], 8, ends, 5)


def test_the_own_attention_is_put_back() -> None:
    model = make_model("llama")
    decode(model, [[5, 6]], [2], [END], 2)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_models_that_share(kind: str) -> None:
    assert sharing_obstacle(make_model(kind)) is None


def test_rounding_under_autocast_is_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in mixed precision is watched with a float32 model that computes in bfloat16."""
    monkeypatch.setattr("hf_lmt.translation.decoding._regret", lambda *_: 0.05)
    model = make_model("llama")
    assert "keeps state" in str(sharing_obstacle(model))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert sharing_obstacle(model) is None


def test_models_that_do_not_share() -> None:
    eager = make_model("llama")
    eager.set_attn_implementation("eager")
    assert sharing_obstacle(eager) == "eager attention was asked for"
    assert "keeps state" in str(sharing_obstacle(Forgetful(make_model("gpt2").config).eval()))


def test_memory_that_runs_out_is_no_trait_of_the_model() -> None:
    def run_out(module: torch.nn.Module, inputs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model = make_model("llama")
    model.register_forward_pre_hook(run_out)
    with pytest.raises(InputError, match="out of memory in a first pass of 15 tokens"):
        sharing_obstacle(model)


class Forgetful(GPT2LMHeadModel):
    """A model whose next token hangs on something beside what its attention sees."""

    def forward(self, *given: Any, **named: Any) -> Any:
        output = super().forward(*given, **named)
        output.logits = output.logits.roll(output.logits.shape[0] * 7 + 3, dims=-1)
        return output


@pytest.mark.parametrize("beams", [1, 3])
def test_generate_stands_in_with_the_same_texts(beams: int) -> None:
    tokenizer = make_tokenizer(chat_template="x")
    prompts, caps = random_prompts(6)
    model = make_model("llama")
    model.generation_config.eos_token_id = list(range(100, 125))
    shared = TransformersBackend(model, tokenizer, "conversation", beams, None)
    model.set_attn_implementation("eager")
    own_settings = model.generation_config = GenerationConfig(
        do_sample=True, temperature=9.0, repetition_penalty=3.0, eos_token_id=[*range(100, 125)]
    )
    standing_in = TransformersBackend(model, tokenizer, "conversation", beams, None)
    found = standing_in.write(prompts, caps)
    assert model.generation_config is own_settings
    model.set_attn_implementation("sdpa")
    assert found == shared.write(prompts, caps)
    assert {status for _, status, _ in found} == {"ok", "capped"}
    assert all(tokens == cap for (_, status, tokens), cap in zip(found, caps, strict=True) if status == "capped")


def test_text_ends_at_a_line_break() -> None:
    tokenizer, model = make_tokenizer(), make_model("llama", tied=False)
    breaks = [token for token in range(400) if "\n" in tokenizer.decode([token])]
    assert breaks
    with torch.no_grad():  # a model that likes to break the line
        model.lm_head.weight[breaks[0]] = 3 * model.lm_head.weight[120]
    prompts, _ = random_prompts(6)
    in_text = TransformersBackend(model, tokenizer, "text", 1, None).write(prompts, [40] * 6)
    as_turns = TransformersBackend(model, tokenizer, "conversation", 1, None).write(prompts, [40] * 6)
    assert not any("\n" in text for text, _, _ in in_text)
    for (text, _, _), (longer, _, _) in zip(in_text, as_turns, strict=True):
        assert longer.startswith(text)
    assert any(text != longer for (text, *_), (longer, *_) in zip(in_text, as_turns, strict=True))


class Narrow:
    """A backend in whose memory only so many prompts fit."""

    beams, batch_tokens, context = 1, 100, None

    def __init__(self, room: int) -> None:
        self.room, self.sizes = room, []

    def made_by(self) -> dict[str, Any]:
        return {}

    def write(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[Entry]:
        self.sizes.append(len(prompts))
        if len(prompts) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [(str(prompt[0]), "ok", cap) for prompt, cap in zip(prompts, caps, strict=True)]


def test_what_does_not_fit_is_halved() -> None:
    backend = Narrow(2)
    written = write_halving(backend, [[one] for one in range(7)], list(range(7)))
    assert written == [(str(one), "ok", one) for one in range(7)]
    assert backend.sizes == [7, 3, 1, 2, 4, 2, 2]
    with pytest.raises(InputError, match="does not fit into memory"):
        write_halving(Narrow(0), [[1]], [1])


@pytest.mark.parametrize(
    ("lengths", "caps", "beams", "budget", "expected"),
    [
        ([3, 9, 5], [10, 10, 10], 1, 1000, [[1, 2, 0]]),
        ([3, 9, 5], [10, 10, 10], 1, 38, [[1, 2], [0]]),
        ([3, 9, 5], [10, 10, 10], 2, 38, [[1], [2], [0]]),
        ([5, 5, 5], [1, 90, 1], 1, 20, [[1], [0, 2]]),
        ([5, 4], [1, 90], 1, 180, [[0], [1]]),
        ([], [], 5, 10, []),
    ],
)
def test_batches(lengths: list[int], caps: list[int], beams: int, budget: int, expected: list[list[int]]) -> None:
    assert plan_batches(lengths, caps, beams, budget) == expected


@pytest.mark.parametrize(
    ("source", "source_lang", "target_lang", "cap"),
    [
        ("x" * 100, "en", "de", 64 + 150),
        ("x" * 100, "en", "zh", 64 + 150),
        ("x" * 101, "en", "kk", 64 + 303),
        ("x" * 10, "en", "my", 64 + 45),
        ("好" * 10, "zh", "en", 64 + 45),
        ("好" * 10, "zh", "my", 64 + 135),
        (" x ", "en", "ja", 64 + 3),
        ("x" * 4000, "en", "de", 512),
    ],
)
def test_length_caps(source: str, source_lang: str, target_lang: str, cap: int) -> None:
    assert length_cap(source, source_lang, target_lang, 512) == cap
