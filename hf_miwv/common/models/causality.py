"""Whether a loaded model writes text on, each token after those before it and no other."""

from __future__ import annotations

from typing import Any

import torch

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.evaluating import evaluating
from hf_miwv.common.models.model_kinds import check_classes, check_config, has_pictures, text_part_words
from hf_miwv.common.models.quantization import quantization_of


@torch.inference_mode()
def check_causal(model: Any, source: str) -> None:
    """Check that the model writes text, and that no later token changes what it says of earlier.

    The model runs in evaluation mode (dropout would change its words, too) and is left as it was,
    module by module.

    Args:
        model (`PreTrainedModel`): The loaded model.
        source (`str`): Its name, for the message.

    Raises:
        InputError: it is another kind of model (with which), or a later token changes the logits
            of an earlier one.
    """
    check_config(model.config, source)
    check_classes([type(model).__name__.removeprefix("Peft")], source)
    embeddings = model.get_input_embeddings().weight
    # Eight different tokens suffice: a model that sees ahead changes its first logits with the last token.
    ids = torch.arange(2, 10, device=embeddings.device) % embeddings.shape[0]
    changed = ids.clone()
    changed[-1] = 0
    with evaluating(model):
        logits = _first_logits(model, ids, source)
        changed_logits = _first_logits(model, changed, source)
    # Kernels may round differently from pass to pass; a model that sees ahead differs by far more.
    if not torch.allclose(logits, changed_logits, rtol=1e-3, atol=1e-3, equal_nan=True):
        if quantization_of(model) == "8bit":
            raise InputError(
                f"{source!r}, loaded in 8bit, lets later tokens change what it says of earlier "
                "ones, by its outlier columns: load it with llm_int8_threshold=0.0"
            )
        raise InputError(
            f"{source!r} is no causal language model: a later token changes what it says of an "
            "earlier one; give a text-generation model"
        )


def _first_logits(model: Any, ids: torch.Tensor, source: str) -> torch.Tensor:
    """Return (V,) logits behind the first of some ids, in float32."""
    try:
        output = model(input_ids=ids[None], use_cache=False)
    except (TypeError, ValueError, AttributeError) as error:
        if not has_pictures(model):
            raise
        words = text_part_words(model.config)
        raise InputError(f"{source!r} does not run on text alone ({error}); {words}") from error
    logits = getattr(output, "logits", None)
    if logits is None or logits.dim() != 3:
        raise InputError(
            f"{source!r} ({type(model).__name__}) gives no logits for each token: it has no output "
            "layer for words; load it with AutoModelForCausalLM"
        )
    return logits[0, 0].float()
