"""The hyperparameters of a COMET checkpoint that its scores depend on, checked one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hf_miwv.common.errors import InputError, did_you_mean

REGRESSION, UNIFIED, XCOMET = "regression_metric", "unified_metric", "xcomet_metric"
SEGMENTS = {REGRESSION: ["src", "mt", "ref"], UNIFIED: ["mt", "src"], XCOMET: ["mt", "src", "ref"]}
ENCODERS = ("XLM-RoBERTa", "XLM-RoBERTa-XL")
FLOAT32 = "float32"
DTYPES = (FLOAT32, "bfloat16")
"""Of the encoder; what stands above it is always in float32."""
TRANSFORMATIONS = {"softmax": "softmax", "sparsemax": "sparsemax", "sparsemax_patch": "softmax"}
"""Name in hparams.yaml -> how layers are weighted. unbabel-comet takes "sparsemax_patch" as softmax."""
ACTIVATIONS = ("Tanh", "Sigmoid", "Softplus", "Hardtanh")
TRAINING_ONLY = frozenset(
    [
        "nr_frozen_epochs",
        "keep_embeddings_frozen",
        "optimizer",
        "warmup_steps",
        "encoder_learning_rate",
        "learning_rate",
        "layerwise_decay",
        "loss",
        "dropout",
        "batch_size",
        "train_data",
        "validation_data",
        "load_pretrained_weights",
        "local_files_only",
        "loss_lambda",
        "cross_entropy_weights",
        "word_level_training",
        "word_weights",
    ]
)
READ = frozenset(
    [
        "class_identifier",
        "encoder_model",
        "pretrained_model",
        "layer",
        "sent_layer",
        "layer_transformation",
        "layer_norm",
        "pool",
        "hidden_sizes",
        "activations",
        "final_activation",
        "input_segments",
        "word_layer",
        "error_labels",
    ]
)


@dataclass(frozen=True)
class CometSettings:
    """Hold what a COMET model is built by.

    Attributes:
        metric (`str`): REGRESSION, UNIFIED or XCOMET, the `class_identifier`.
        encoder (`str`): One of ENCODERS.
        pretrained_model (`str`): Hub id or folder of the encoder's configuration and tokenizer.
        transformation (`str`): How layers are weighted, "softmax" or "sparsemax".
        layer_norm (`bool`): Whether each layer is normalized over the tokens of a segment before it is weighted.
        pool (`str`): "avg" over tokens or "cls", the first token; unified models always read the first.
        hidden_sizes (`tuple[int, ...]`): Widths of the head's hidden layers.
        activation (`str`): One of ACTIVATIONS, behind each hidden layer.
        final_activation (`str`, *optional*): One of ACTIVATIONS behind the last layer, or None.
        word_layer (`int`): The layer, 0 the embeddings, that XCOMET's tags are read from.
    """

    metric: str
    encoder: str
    pretrained_model: str
    transformation: str
    layer_norm: bool
    pool: str
    hidden_sizes: tuple[int, ...]
    activation: str
    final_activation: str | None
    word_layer: int

    @property
    def needs_references(self) -> bool:
        """Return whether the model has no score without a reference."""
        return self.metric == REGRESSION

    @property
    def reads_references(self) -> bool:
        """Return whether a reference counts where there is one."""
        return self.metric != UNIFIED


def comet_settings(hyperparameters: Mapping[str, Any], source: str) -> CometSettings:
    """Read the hyperparameters of a checkpoint.

    What is missing has the default of unbabel-comet 2.2.7's class.

    Args:
        hyperparameters (`Mapping[str, Any]`): As in `hparams.yaml`, or in the checkpoint itself.
        source (`str`): Name of the checkpoint, for messages.

    Returns:
        `CometSettings`: What the model is built by.

    Raises:
        InputError: A class, encoder, layer, pooling or other shape that is not known here, or a
            hyperparameter of a name that is not known: its scores might be others.
    """
    metric = hyperparameters.get("class_identifier")
    if metric not in SEGMENTS:
        raise _refusal(source, "class_identifier", metric, SEGMENTS)
    unknown = sorted(set(hyperparameters) - READ - TRAINING_ONLY)
    if unknown:
        raise InputError(
            f"COMET checkpoint {source!r}: hyperparameter {unknown[0]!r} is not known here, and may change its "
            "scores; score it with unbabel-comet in an environment of its own (--comet-python)"
        )
    values = {**_defaults(metric), **hyperparameters}
    layer = "layer" if metric == REGRESSION else "sent_layer"
    for key, allowed in (
        ("encoder_model", ENCODERS),
        (layer, ("mix",)),
        ("layer_transformation", TRANSFORMATIONS),
        ("layer_norm", (True, False)),
        ("pool", ("avg", "cls")),
        ("activations", ACTIVATIONS),
        ("final_activation", (*ACTIVATIONS, None)),
        ("input_segments", (SEGMENTS[metric],)),
    ):
        if values[key] not in list(allowed):
            raise _refusal(source, key, values[key], allowed)
    # XCOMET's penalties are counted by these three severities.
    if metric == XCOMET and values["error_labels"] != ["minor", "major", "critical"]:
        raise _refusal(source, "error_labels", values["error_labels"], (["minor", "major", "critical"],))
    sizes = values["hidden_sizes"]
    if not isinstance(sizes, list) or not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise InputError(f"COMET checkpoint {source!r}: hidden_sizes {sizes!r} is no list of widths, such as [3072]")
    return CometSettings(
        metric=metric,
        encoder=values["encoder_model"],
        pretrained_model=str(values["pretrained_model"]),
        transformation=TRANSFORMATIONS[values["layer_transformation"]],
        layer_norm=values["layer_norm"],
        pool=values["pool"] if metric == REGRESSION else "cls",
        hidden_sizes=tuple(sizes),
        activation=values["activations"],
        final_activation=values["final_activation"],
        word_layer=values["word_layer"],
    )


def _defaults(metric: str) -> dict[str, Any]:
    xcomet = metric == XCOMET
    return {
        "encoder_model": "XLM-RoBERTa-XL" if xcomet else "XLM-RoBERTa",
        "pretrained_model": {
            REGRESSION: "xlm-roberta-large",
            UNIFIED: "microsoft/infoxlm-large",
            XCOMET: "facebook/xlm-roberta-xl",
        }[metric],
        "layer": "mix",
        "sent_layer": "mix",
        "layer_transformation": "softmax" if metric == REGRESSION else "sparsemax",
        "layer_norm": not xcomet,
        "pool": "avg",
        "hidden_sizes": [2560, 1280] if xcomet else [3072, 1024],
        "activations": "Tanh",
        "final_activation": None,
        "input_segments": ["mt", "src", "ref"] if metric != REGRESSION else SEGMENTS[REGRESSION],
        "word_layer": 36 if xcomet else 24,
        "error_labels": ["minor", "major", "critical"],
    }


def _refusal(source: str, key: str, value: Any, allowed: Any) -> InputError:
    choices = [repr(choice) for choice in allowed]
    hint = did_you_mean(repr(value), choices) if len(choices) > 1 else f"known here: {choices[0]}"
    return InputError(
        f"COMET checkpoint {source!r}: {key} {value!r} is not known here ({hint}); score it with unbabel-comet in an "
        "environment of its own (--comet-python)"
    )
