"""Rewards by COMET: how well a model that was trained on human judgments likes a translation."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.load_comet import load_comet
from hf_lmt.rewards.reward_columns import Completion, Reward, check_columns, completion_texts
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.devices import pick_device

logger = logging.getLogger(__name__)


def make_comet_reward(
    model: str | CometModel,
    *,
    references: bool,
    dtype: str | None = None,
    device: str | None = None,
    name: str | None = None,
) -> Reward:
    """Make a reward of a COMET model, which is loaded when the reward is first asked for.

    Args:
        model (`str | CometModel`): Folder, OWNER/NAME, or a loaded model.
        references (`bool`): Whether the column `target` is read.
        dtype (`str`, *optional*): Of the encoder; by default bfloat16 on an accelerator, float32 on a CPU.
        device (`str`, *optional*): By default the accelerator of this process, or the CPU.
        name (`str`, *optional*, defaults to `"comet"` or `"comet_kiwi"`): As the trainer logs it.

    Returns:
        `Reward`: completions, `source` and, with references, `target` -> the model's scores. A score that is
        not finite is 0, with a warning.
    """
    name = name or ("comet" if references else "comet_kiwi")
    loaded = [model] if isinstance(model, CometModel) else []

    def reward(
        completions: Sequence[Completion],
        source: Sequence[str] | None = None,
        target: Sequence[str] | None = None,
        **_: Any,
    ) -> list[float]:
        texts = completion_texts(completions)
        read = {"source": source, "target": target} if references else {"source": source}
        check_columns(name, len(texts), **read)
        if not loaded:
            precision = dtype or ("float32" if pick_device(device).type == "cpu" else "bfloat16")
            loaded.append(load_comet(str(model), dtype=precision, device=device))
        comet_model = loaded[0]
        if comet_model.settings.needs_references and not references:
            raise InputError(
                f"reward {name}: {comet_model.identity} scores with a reference only; give references=True"
            )
        values = comet_model.score(source or (), texts, target if references else None).tolist()
        wrong = [row for row, value in enumerate(values) if not math.isfinite(value)]
        if wrong:
            logger.warning(
                "%s gave no finite score for %d of %d completions: they get 0", name, len(wrong), len(texts)
            )
        return [value if math.isfinite(value) else 0.0 for value in values]

    reward.__name__ = reward.__qualname__ = name
    named = model.identity if isinstance(model, CometModel) else model
    vars(reward).update(model=named, references=references, loaded=loaded)  # for `named_rewards.reward_identity`
    return reward


comet = make_comet_reward("Unbabel/wmt22-comet-da", references=True)
comet.__doc__ = """Reward by COMET-22 against source and reference; mostly from 0 to 1, unbounded.

The reward of arXiv 2511.07003's last stage; `hf_lmt.comet.comet_model.CometModel` has its formula.
Reads `source` and `target`.
"""
comet_kiwi = make_comet_reward("Unbabel/wmt22-cometkiwi-da", references=False)
comet_kiwi.__doc__ = """Reward by CometKiwi-22 against the source alone; mostly from 0 to 1, unbounded.

It rates another language, omissions and additions high (arXiv 2603.13045): never without gates. Its model is
gated on the Hub: accept its terms there. Reads `source`.
"""
