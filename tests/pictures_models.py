"""Tiny models of text and pictures, of which only the text part is run, and other kinds."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

TEXT: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 3,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def make_picture_model(kind: str) -> Any:
    """A random model in float32: "qwen2_vl" (positions in three dimensions), "gemma3" (token
    types, sliding window), "llava" or "idefics3"."""
    torch.manual_seed(9)
    if kind == "qwen2_vl":
        rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
        vision = {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2}
        return Qwen2VLForConditionalGeneration(
            Qwen2VLConfig(
                text_config={**TEXT, "rope_parameters": rope},
                vision_config=vision,
                image_token_id=390,
                video_token_id=391,
                vision_start_token_id=392,
                vision_end_token_id=393,
            )
        ).eval()
    if kind == "gemma3":
        layers = {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
        return Gemma3ForConditionalGeneration(
            Gemma3Config(
                text_config={**TEXT, **layers, "head_dim": 8},
                vision_config=VISION,
                mm_tokens_per_image=4,
                boi_token_index=391,
                eoi_token_index=392,
                image_token_index=390,
            )
        ).eval()
    text = LlamaConfig(**TEXT)
    if kind == "llava":
        vision_tower = CLIPVisionConfig(**VISION)
        return LlavaForConditionalGeneration(
            LlavaConfig(text_config=text, vision_config=vision_tower, image_token_index=390)
        ).eval()
    return Idefics3ForConditionalGeneration(
        Idefics3Config(text_config=text, vision_config=VISION, image_token_id=390, scale_factor=2)
    ).eval()
