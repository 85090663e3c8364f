"""vLLM as backend, for accelerators.

Written after the documentation of vLLM 0.22 and tested against a stand-in with its signatures; on
vLLM itself it has not been run by us yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.translation.store import Entry
from hf_lmt.translation.translation_model import ADAPTER
from hf_miwv.common.errors import InputError

BATCH_TOKENS = 1 << 22  # vLLM makes its own batches; this is what it is handed at a time


class VllmBackend:
    """Prompts as token ids to vLLM's own engine.

    Its beam search takes one cap for all, so with beams > 1 prompts are handed over by cap. In
    form "text" what it writes is cut at the first line break afterwards.

    Args:
        source: Hub id or folder of a whole model.
        others: settings of the other backend that are to be None here.

    Raises:
        InputError: the package `vllm` is missing, beams is below 1, the model is loaded already or
            an adapter, or a setting of the other backend is given.
    """

    def __init__(self, source: Any, revision: str | None, dtype: str, beams: int, others: Mapping[str, Any]) -> None:
        source = _checked(source, others)
        try:
            from vllm import LLM
        except ImportError as error:
            raise InputError(
                "backend vllm needs the package vllm, which is not installed; run "
                "pip install 'hf-miwv-lmt[vllm]', or give --backend transformers"
            ) from error
        if beams < 1:
            raise InputError(f"num_beams {beams}: give 1 for greedy search, or more")
        self._engine = LLM(
            model=source,
            revision=revision,
            dtype=dtype,
            trust_remote_code=False,
            load_format="safetensors",
            generation_config="vllm",
        )
        self.tokenizer: Any = self._engine.get_tokenizer()
        self.form = "conversation"
        config = self._engine.llm_engine.model_config
        self._name, self._dtype = f"{source}@{_state(source, config, revision)}", dtype
        self.beams, self.batch_tokens = beams, BATCH_TOKENS
        self.context: int | None = config.max_model_len

    def made_by(self) -> Mapping[str, Any]:
        """Return the settings that decide about translations, for the store and the record."""
        from vllm import __version__

        return {
            "backend": f"vllm {__version__}",
            "model": self._name,
            "dtype": self._dtype,
            "beams": self.beams,
            "form": self.form,
        }

    def write(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[Entry]:
        """Translate prompts, each up to its cap of new tokens."""
        run = self._greedy if self.beams == 1 else self._beam_search
        return [self._entry(ids, cap) for ids, cap in zip(run(prompts, caps), caps, strict=True)]

    def _greedy(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[list[int]]:
        from vllm import SamplingParams

        stop = ["\n"] if self.form == "text" else None
        settings = [SamplingParams(temperature=0.0, max_tokens=cap, stop=stop) for cap in caps]
        asked = [{"prompt_token_ids": ids} for ids in prompts]
        outputs = self._engine.generate(asked, settings, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    def _beam_search(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[list[int]]:
        from vllm.sampling_params import BeamSearchParams

        written: dict[int, list[int]] = {}
        for cap in sorted(set(caps)):
            rows = [row for row, cap_of_row in enumerate(caps) if cap_of_row == cap]
            outputs = self._engine.beam_search(
                [{"prompt_token_ids": prompts[row]} for row in rows],
                BeamSearchParams(beam_width=self.beams, max_tokens=cap),
            )
            for row, output in zip(rows, outputs, strict=True):
                written[row] = list(output.sequences[0].tokens[len(prompts[row]) :])
        return [written[row] for row in range(len(prompts))]

    def _entry(self, ids: list[int], cap: int) -> Entry:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        if self.form == "text":
            text = text.partition("\n")[0]
        ended = len(ids) < cap or ids[-1] == self.tokenizer.eos_token_id
        return text.strip(), "ok" if ended else "capped", len(ids)


def _state(source: str, config: Any, revision: str | None) -> str:
    """Tell other weights of the same name apart: by a commit, or a hash of a folder's files."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return getattr(config.hf_config, "_commit_hash", None) or revision or "main"
    stats = {path.name: path.stat() for path in sorted(folder.iterdir())}
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()]
    return hashlib.sha256(repr(files).encode()).hexdigest()[:16]


def _checked(source: Any, others: Mapping[str, Any]) -> str:
    """Return the name of the model."""
    if not isinstance(source, str | Path):
        raise InputError("backend vllm loads the model itself: give its name or folder")
    if (Path(source).expanduser() / ADAPTER).is_file():
        raise InputError(
            f"{source} holds an adapter, and backend vllm is given whole models here; "
            "merge it into its base first, or leave --backend out"
        )
    refused = [name for name, value in others.items() if value is not None]
    if refused:
        raise InputError(
            f"{' and '.join(refused)} with backend vllm, which chooses its device "
            "and loads weights as they are; leave that out"
        )
    return str(source)
