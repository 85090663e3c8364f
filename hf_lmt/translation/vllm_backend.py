"""vLLM as backend, for accelerators. Run with vLLM 0.32 on the CPU (`make test-vllm`)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from hf_lmt.translation.external_model import ExternalModel
from hf_lmt.translation.generate import line_breaks, read_entry
from hf_lmt.translation.store import Entry
from hf_lmt.translation.vllm_beams import search_beams, tokens_to_draw
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.adapters import ADAPTER
from hf_miwv.common.models.memory import is_out_of_memory, no_room_to_load
from hf_miwv.common.models.vocabulary import unknown_token

BATCH_TOKENS = 1 << 22  # for greedy search, where vLLM makes its own batches: what it is handed at a time
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM can be started for
SLOW_BEAMS = (
    "%d beams by vLLM are slow: its engine is called for every token, and reads the end of every beam's text "
    "again each time. For beams leave --backend out; vLLM is for greedy search (--num-beams 1) at scale"
)

logger = logging.getLogger(__name__)


class VllmBackend:
    """Hand prompts as token ids to vLLM's own engine, in this process.

    The texts are those of `TransformersBackend`: the same end tokens (in form "text" also every token
    with a line break), the same search with beams, dtype "auto" as in the checkpoint. Of an adapter
    the base model is loaded, and the adapter put on it (`LoRARequest`).

    Args:
        model (`ExternalModel`): The model, as `read_external_model` reads it.
        dtype (`str`): Data type of the weights, or "auto".
        form (`str`): "conversation" or "text".
        beams (`int`): Beams of the search, 1 for greedy search.

    Raises:
        InputError: the package `vllm` is missing, beams is below 1, vLLM does not run the model, or
            it does not fit into memory.
    """

    def __init__(self, model: ExternalModel, dtype: str, form: str, beams: int) -> None:
        need_vllm()
        import vllm

        if beams < 1:
            raise InputError(f"num_beams {beams}: give 1 for greedy search, or more")
        self._model, self._form, self.beams = model, form, beams
        self._dtype, self._version = model.dtype if dtype == "auto" else dtype, vllm.__version__
        self._ends = set(model.ends) | (line_breaks(model.tokenizer) if form == "text" else set())
        self._engine, self._adapter = _start(model, self._dtype, beams)
        engine_config = self._engine.llm_engine.vllm_config
        self.context: int | None = engine_config.model_config.max_model_len
        self.batch_tokens = BATCH_TOKENS
        if beams > 1:
            logger.warning(SLOW_BEAMS, beams)
            # All beams of a batch must stay in the cache, or each step would read their whole texts anew.
            cache = engine_config.cache_config
            self.batch_tokens = cache.num_gpu_blocks * cache.block_size

    def made_by(self) -> Mapping[str, Any]:
        """Return all that a text hangs on beside its prompt and cap."""
        return {
            "backend": f"vllm {self._version}",
            "model": self._model.state,
            "dtype": self._dtype,
            "beams": self.beams,
            "form": self._form,
            "ends": sorted(self._ends),
        }

    def write(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[Entry]:
        """Return text, status ("ok" or "capped") and tokens of each prompt.

        Args:
            prompts (`Sequence[list[int]]`): (R,) prompts as token ids.
            caps (`Sequence[int]`): (R,) tokens that each text may have.

        Returns:
            `list[Entry]`: (R,) text, status and tokens.

        Raises:
            InputError: a token id that the model does not know.
        """
        highest = max(map(max, prompts))
        if highest >= self._model.vocabulary:
            raise unknown_token(self._model.tokenizer, highest, self._model.vocabulary, "a prompt")
        if self.beams == 1:
            texts = self._greedy(prompts, caps)
        else:
            texts = search_beams(self._next_tokens, prompts, caps, sorted(self._ends), self.beams)
        return [read_entry(self._model.tokenizer, ids, self._ends, self._form) for ids in texts]

    def _greedy(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[list[int]]:
        from vllm import SamplingParams

        ends = sorted(self._ends)
        settings = [
            SamplingParams(temperature=0.0, max_tokens=cap, stop_token_ids=ends, detokenize=False) for cap in caps
        ]
        return [list(output.outputs[0].token_ids) for output in self._generate(prompts, settings)]

    def _next_tokens(self, texts: list[list[int]]) -> list[list[tuple[int, float]]]:
        """Return the most probable next tokens of each text, with their log-probabilities."""
        from vllm import SamplingParams

        count = tokens_to_draw(self.beams)
        settings = SamplingParams(temperature=0.0, max_tokens=1, logprobs=count, detokenize=False)
        outputs = self._generate(texts, [settings] * len(texts))
        return [
            sorted(
                ((token, drawn.logprob) for token, drawn in output.outputs[0].logprobs[0].items()),
                key=lambda pair: (-pair[1], pair[0]),
            )[:count]
            for output in outputs
        ]

    def _generate(self, prompts: Sequence[list[int]], settings: list[Any]) -> list[Any]:
        requests = [{"prompt_token_ids": ids} for ids in prompts]
        return self._engine.generate(requests, settings, use_tqdm=False, lora_request=self._adapter)


def need_vllm() -> None:
    """Check that vLLM is installed, and set what it reads from the environment while it is imported.

    Raises:
        InputError: it is not installed.
    """
    # Its log would stand among the translations on standard output. In this process its errors reach us, its
    # scheduling is deterministic, and nothing of it outlives a kill.
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    try:
        import vllm  # noqa: F401
    except ImportError as error:
        raise InputError(
            "backend vllm needs the package vllm, which is not installed; run "
            "pip install 'hf-miwv-lmt[vllm]', or give --backend transformers"
        ) from error


def _start(model: ExternalModel, dtype: str, beams: int) -> tuple[Any, Any]:
    """Start the engine, and give it the adapter; return both, or None in place of the adapter.

    Raises:
        InputError: vLLM does not run the model or the adapter, or memory is used up.
    """
    from vllm import LLM
    from vllm.lora.request import LoRARequest
    from vllm.platforms import current_platform

    # On the CPU, vLLM would first compile the model for minutes.
    options: dict[str, Any] = {"enforce_eager": current_platform.is_cpu()}
    if beams > 1:
        options["max_logprobs"] = tokens_to_draw(beams)
    if model.adapter is not None:
        rank = json.loads((model.adapter / ADAPTER).read_text("utf-8")).get("r") or 0
        options |= {
            "enable_lora": True,
            "max_lora_rank": next((allowed_rank for allowed_rank in LORA_RANKS if allowed_rank >= rank), rank),
        }
    try:
        engine = LLM(
            model=model.base,
            revision=model.revision,
            tokenizer_revision=model.revision,
            dtype=dtype,
            trust_remote_code=False,
            load_format="safetensors",
            generation_config="vllm",
            **options,
        )
        if model.adapter is None:
            return engine, None
        adapter = LoRARequest(model.adapter.name, 1, str(model.adapter))
        engine.llm_engine.add_lora(adapter)  # at once, so that what it cannot take shows before any text
    except (OSError, ValueError, RuntimeError, MemoryError, ImportError, NotImplementedError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("model", model.source, None, error) from error
        raise InputError(
            f"model {model.source!r}: vLLM does not start with it ({' '.join(str(error).split())[:400]}); its log "
            "above may say more. Mend that, or leave --backend out"
        ) from error
    return engine, adapter
