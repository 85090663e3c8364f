"""Rewards by COMET: how well a model that was trained on human judgments likes a translation."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.load_comet import default_dtype, load_comet
from hf_lmt.comet.served_comet import TIMEOUT, ServedComet
from hf_lmt.rewards.reward_columns import Completion, Reward, check_columns, completion_texts
from hf_miwv.common.errors import InputError

logger = logging.getLogger(__name__)


def make_comet_reward(
    model: str | CometModel | None = None,
    *,
    references: bool,
    dtype: str | None = None,
    device: str | None = None,
    name: str | None = None,
    base_url: str | None = None,
    timeout: float = TIMEOUT,
) -> Reward:
    """Make a reward of a COMET model, which is loaded when the reward is first asked for.

    Args:
        model (`str | CometModel`, *optional*): Folder, OWNER/NAME, or a loaded model; None with `base_url`.
        references (`bool`): Whether the column `target` is read.
        dtype (`str`, *optional*): Of the encoder; by default bfloat16 on an accelerator, float32 on a CPU.
        device (`str`, *optional*): By default the accelerator of this process, or the CPU.
        name (`str`, *optional*, defaults to `"comet"` or `"comet_kiwi"`): As the trainer logs it.
        base_url (`str`, *optional*): Address of `hf-lmt serve-comet`, http://HOST:8500/v1, whose model scores in
            place of one in this process.
        timeout (`float`, *optional*, defaults to `600`): Seconds to wait for each of its replies.

    Returns:
        `Reward`: completions, `source` and, with references, `target` -> the model's scores. A score that is
        not finite is 0, with a warning.

    Raises:
        InputError: Neither a model nor a `base_url`, or settings of a model beside it; an address that cannot be
            used. Calling the reward raises it where the model cannot be loaded, or the server not be reached.
    """
    name = name or ("comet" if references else "comet_kiwi")
    if (model is None) == (base_url is None):
        raise InputError(
            f"reward {name}: give either model, to score in this process, or base_url, where it is served"
        )
    if base_url is not None and (dtype is not None or device is not None):
        raise InputError(
            f"reward {name}: dtype and device have no effect with base_url; give them to `hf-lmt serve-comet`"
        )
    served = None if base_url is None else ServedComet(base_url, timeout=timeout)
    ready = model if served is None else served
    loaded: list[CometModel | ServedComet] = [] if ready is None or isinstance(ready, str) else [ready]

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
            loaded.append(load_comet(str(model), dtype=dtype or default_dtype(device), device=device))
        comet_model = loaded[0]
        if comet_model.needs_references and not references:
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
    # For `named_rewards.reward_identity`.
    vars(reward).update(model=named, references=references, loaded=loaded, served=served)
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
