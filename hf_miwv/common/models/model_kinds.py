"""Which kind of model a configuration stands for: one that writes text, or one that does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
)

from hf_miwv.common.errors import InputError

# Ends of class names, and what such models are.
OTHER_KINDS = {
    "ForSequenceClassification": "a reward model or classifier of whole texts",
    "RewardModel": "a reward model",
    "ForTokenClassification": "a classifier of single tokens",
    "ForQuestionAnswering": "a model that marks answers in a text",
    "ForMultipleChoice": "a model that chooses among answers",
    "ForMaskedLM": "a masked language model, which sees the words behind a gap as well",
}
# Weights of output layers that score a text instead of writing on.
SCORING_HEADS = ("score.", "classifier.", "qa_outputs.", "reward_head.", "regression_head.")
GIVE = "give a text-generation model"


def check_config(config: Any, source: str) -> None:
    """Refuse models that write no text on, by their configuration.

    Args:
        config (`PreTrainedConfig`): The configuration.
        source (`str`): The model's name, for the message.

    Raises:
        InputError: an encoder-decoder model, or one that was saved as a reward model, classifier
            or masked language model.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"{source!r} is an encoder-decoder model ({type(config).__name__}): it reads the "
            "prompt by another part than it writes with, so that a row behind an example would be "
            "something else; give a causal language model (decoder only)"
        )
    check_classes(getattr(config, "architectures", None) or (), source)


def check_classes(names: Iterable[str], source: str) -> None:
    """Refuse models that are known by such class names only.

    Args:
        names (`Iterable[str]`): Class names, as in `architectures` of a configuration.
        source (`str`): The model's name, for the message.

    Raises:
        InputError: all names are of another kind, which is named.
    """
    names = list(names)
    kinds = [(name, words) for name in names for end, words in OTHER_KINDS.items() if name.endswith(end)]
    # A configuration may list several classes: one of them that writes text is enough.
    if kinds and len(kinds) == len(names):
        raise _other_kind(source, *kinds[0])


def check_weights(missing: Iterable[str], unexpected: Iterable[str], source: str) -> None:
    """Refuse a checkpoint by the weights that it has too few or too many of.

    Args:
        missing (`Iterable[str]`): Weights of the model that the checkpoint does not have.
        unexpected (`Iterable[str]`): Weights of the checkpoint that the model does not have.
        source (`str`): The model's name, for the message.

    Raises:
        InputError: it has an output layer that scores texts, or none for the words.
    """
    # A reward model saved without `architectures` passes the check of its configuration; its head gives it away.
    heads = sorted(name for name in unexpected if name.startswith(SCORING_HEADS))
    if heads:
        raise _other_kind(source, f"weights {heads[0]}", OTHER_KINDS["ForSequenceClassification"])
    absent = sorted(missing)
    if absent:
        raise InputError(
            f"{source!r} is no causal language model: its checkpoint has no weights for {absent[0]}; {GIVE}"
        )


def loading_class(config: Any) -> Any:
    """Return the transformers class that loads all of the checkpoint.

    Args:
        config (`PreTrainedConfig`): The configuration.

    Returns:
        `type`: AutoModelForCausalLM, or AutoModelForImageTextToText for models of text and pictures, whose
        text part then runs alone.
    """
    names = getattr(config, "architectures", None) or ()
    pictures = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if pictures and not any(name.endswith("ForCausalLM") for name in names):
        return AutoModelForImageTextToText
    return AutoModelForCausalLM


def has_pictures(model: Any) -> bool:
    """Check whether the model is one of text and pictures, of which only the text part is run.

    Args:
        model (`PreTrainedModel`): The loaded model.

    Returns:
        `bool`: True where it is.
    """
    return _has_parts(model.config)


def no_text_class(config: Any, source: str) -> InputError | None:
    """Make the error for a configuration that no class here runs on text alone.

    Args:
        config (`PreTrainedConfig`): The configuration.
        source (`str`): The model's name, for the message.

    Returns:
        `InputError | None`: The error, to be raised; None where a class does.
    """
    remote = getattr(config, "auto_map", None) or {}
    known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    if known or "AutoModelForCausalLM" in remote:
        return None
    if loading_class(config) is not AutoModelForCausalLM:
        return None
    kind = type(config).__name__
    if config.get_text_config() is config:
        return InputError(f"{source!r} is no causal language model ({kind}); {GIVE}")
    return InputError(f"{source!r} ({kind}) does not run on text alone; {text_part_words(config)}")


def check_trainable(config: Any, source: str) -> None:
    """Refuse to tune a model of text and pictures, which would be saved without its processor.

    Args:
        config (`PreTrainedConfig`): The configuration.
        source (`str`): The model's name, for the message.

    Raises:
        InputError: it is one, with what to do instead.
    """
    if not _has_parts(config):
        return
    raise InputError(
        f"{source!r} ({type(config).__name__}) is a model of text and pictures, whose rows can be "
        "scored and selected here (hf-miwv score, hf-miwv select) but which is not tuned here; "
        "tune it on the selected rows by a trainer that has its processor, such as TRL's "
        f"SFTTrainer, or {text_part_words(config)}"
    )


def text_part_words(config: Any) -> str:
    """Say how to get the text part of a model as a model by itself, which works for most classes.

    Args:
        config (`PreTrainedConfig`): The configuration of the whole.

    Returns:
        `str`: The advice, as the end of a sentence.
    """
    names = getattr(config, "architectures", None) or ["AutoModelForImageTextToText"]
    text = config.get_text_config()
    if type(text) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return f"give another model: transformers has no class for its text part alone ({type(text).__name__})"
    return (
        "give its text part as a model of its own: "
        f"whole = transformers.{names[0]}.from_pretrained(...); "
        "text = AutoModelForCausalLM.from_config(whole.config.get_text_config()); "
        "text.get_decoder().load_state_dict(whole.get_decoder().state_dict()); "
        "text.set_output_embeddings(whole.get_output_embeddings()); "
        "text.save_pretrained(FOLDER); tokenizer.save_pretrained(FOLDER)"
    )


def _has_parts(config: Any) -> bool:
    """Check whether the configuration has one for text and another for pictures."""
    return config.get_text_config() is not config and hasattr(config, "vision_config")


def _other_kind(source: str, evidence: str, words: str) -> InputError:
    return InputError(
        f"{source!r} is no causal language model: it is {words} ({evidence}), with no output layer "
        f"for words of its own; {GIVE}, such as the one that it was made from"
    )
