"""Tiny real models and tokenizers, made in code: no download, no network, a second to build."""

from __future__ import annotations

import gzip
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

WORDS = (
    "name the capital of france paris write a short poem about rain add two and three five list "
    "the colours of the flag translate into german hello world what is water made of hydrogen "
)
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As Qwen3's: an empty think block before the last answer only, none in the generation prompt.
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As Llama 2's: no role tokens around the contents, and roles must alternate.
BRACKETS = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]{% else %} "
    "{{ m.content | trim }} </s>{% endif %}{% endfor %}"
)


def make_tokenizer(
    bos: bool = True, padding_side: str = "right", chat_template: str | None = None
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of about 400 entries that can spell any text."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet)
    backend.train_from_iterator([WORDS] * 3, trainer)
    if bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>" if bos else None,
        eos_token="</s>",
        pad_token="<pad>",
        padding_side=padding_side,
        chat_template=chat_template,
    )


def make_model(kind: str, tied: bool = True, positions: int = 512) -> Any:
    """A random causal LM in float32, small enough to run thousands of tokens a second."""
    torch.manual_seed(7)
    shape = {
        "vocab_size": 400,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": positions,
        "tie_word_embeddings": tied,
        "initializer_range": 0.3,
    }
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape)).eval()
    if kind == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**shape, head_dim=8)).eval()
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=400,
            n_positions=positions,
            n_embd=32,
            n_layer=2,
            n_head=4,
            tie_word_embeddings=tied,
            initializer_range=0.3,
        )
    ).eval()


def make_rows(count: int = 24) -> list[dict[str, str]]:
    """Alpaca-shaped rows of different lengths, with an input in every third."""
    words = WORDS.split()
    rows = []
    for index in range(count):
        spin = words[index % len(words) :] + words[: index % len(words)]
        rows.append(
            {
                "instruction": " ".join(spin[: 3 + index % 7]),
                "input": " ".join(spin[9:12]) if index % 3 == 0 else "",
                "output": " ".join(reversed(spin[: 1 + (index * 5) % 23])),
            }
        )
    return rows


def zipped(text: str) -> bytes:
    """The text gzipped, without the time of day: test processes must collect the same tests."""
    return gzip.compress(text.encode(), mtime=0)
