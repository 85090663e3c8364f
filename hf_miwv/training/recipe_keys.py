"""The keys of a recipe for `hf-miwv train` that are ours: sections, their keys and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hf_miwv.common.hub.hub_section import HUB_KEYS
from hf_miwv.common.models.models import DTYPES
from hf_miwv.common.recipes.fields import Hints, argument_hints, choice_of, field_hints
from hf_miwv.common.recipes.trl_keys import Refused
from hf_miwv.neighbors.embed import POOLINGS
from hf_miwv.neighbors.index import SEARCHES
from hf_miwv.prompts.tokenization import UNREADABLE_ROWS
from hf_miwv.scoring.score_arguments import EMBED_TEXTS
from hf_miwv.scoring.scoring import score
from hf_miwv.selection.one_response import ONE_PER
from hf_miwv.selection.selection import select

SECTIONS = ("data", "scoring", "selection", "lora", "hub")


@dataclass(frozen=True)
class TopKeys:
    """Keys of ours at the top of a recipe for `hf-miwv train`, beside TRL's.

    Args:
        global_batch_size (`int`, *optional*): Rows of an optimizer step; the accumulation follows from it and the
            number of processes.
        device (`str`, *optional*): cpu, cuda, cuda:1, mps, or split over all; by default the best one here.
            `use_cpu: true` is `device: cpu`.
        license (`str`, *optional*): License of the tuned model, for its card, where it is known.
    """

    global_batch_size: int | None = None
    device: str | None = None
    license: str | None = None


TOP_KEYS: Hints = field_hints(TopKeys)


@dataclass(frozen=True)
class DataSection:
    """The section `data`: rows to score and choose from; TRL's `dataset_name` or `datasets` say it, too.

    Args:
        source (`str`): A Hub id, a file or a folder.
        split (`str`, *optional*): The split, or a slice of it such as `train[:1000]`.
        test_split (`str`, *optional*): The split of held-out rows, whose loss is measured where
            `eval_strategy` asks for it; `dataset_test_split` of TRL.
        config (`str`, *optional*): The configuration of a Hub data set.
        revision (`str`, *optional*): Branch, tag or commit of a Hub data set.
        field (`str`, *optional*): The key of a JSON file under which its rows lie.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.
    """

    source: str
    split: str | None = None
    test_split: str | None = None
    config: str | None = None
    revision: str | None = None
    field: str | None = None
    columns: Mapping[str, str] | None = None


IN_MODEL = "give it at the top of the recipe, by TRL's name"
TRL_REFUSED: Refused = {
    "training uses the tokens that were scored": {"chat_template_path": (None,)},
    "each row stays a sequence of its own, so that its tokens can be checked; padding_free: true pads nothing "
    "either": {"packing": (False,), "eval_packing": (None, False), "packing_strategy": ("bfd",)},
    "the finished model is that of the last step": {
        "load_best_model_at_end": (False,),
        "metric_for_best_model": (None,),
        "greater_is_better": (None,),
    },
    "held-out rows are measured by their loss alone": {
        "prediction_loss_only": (False, True),
        "include_for_metrics": ([],),
        "batch_eval_metrics": (False,),
    },
}
"""Keys of TRL that this command refuses beside those of `common.recipes.trl_keys.REFUSED`."""

SECTION_REFUSED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "lora": {
        "it is a causal language model's adapter, for training": (
            "task_type",
            "peft_type",
            "auto_mapping",
            "inference_mode",
            "peft_version",
        ),
        IN_MODEL: ("base_model_name_or_path", "revision"),
    },
    "scoring": {
        IN_MODEL: ("model_revision", "device", "trust_remote_code", "load_in_4bit", "load_in_8bit"),
        "give it in the section data": ("columns", "split", "config", "field"),
        "give it in the section data, as revision": ("data_revision",),
        "what is there and is not of this recipe stays": ("overwrite",),
    },
    "selection": {"the chosen rows lie beside the training": ("output_dir", "overwrite")},
}
"""Section -> reason -> keys of the functions behind it that a recipe does not give."""


def section_hints() -> dict[str, Hints]:
    """Return the keys of each section with the annotations of their values.

    Those of `scoring` and `selection` are the arguments of `score` and `select`, and `scoring` has
    `output_dir`, where the scored rows stay for other recipes; those of `lora` are peft.LoraConfig's, for what
    trl.ModelConfig has no name for.
    """
    from peft import LoraConfig

    words = {
        "pooling": POOLINGS,
        "embed_text": EMBED_TEXTS,
        "dtype": DTYPES,
        "search": SEARCHES,
        "unreadable_rows": UNREADABLE_ROWS,
    }
    scoring = argument_hints(
        score,
        ("dataset", "model", "tokenizer", "embedder", "demonstrations_from", "rating_judge", "origin", "progress"),
    )
    return {
        "data": field_hints(DataSection),
        "scoring": {
            "embedder": str,
            "demonstrations_from": str,
            "rating_judge": str,
            **scoring,
            **{name: choice_of(known) for name, known in words.items()},
        },
        "selection": {**argument_hints(select, ("scored", "origin")), "one_per": choice_of(ONE_PER) | None},
        "lora": field_hints(LoraConfig),
        "hub": HUB_KEYS,
    }
