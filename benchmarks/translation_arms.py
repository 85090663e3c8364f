"""One arm of translation.py, in a process of its own: python translation_arms.py ARM JOB.json RESULT.json

ARM is a name of ARMS. The job has the model's folder, prompts as token ids, the search and the core to run on; the
result has texts, seconds and memory. Only what the arm needs is imported, so that CTranslate2 and vLLM may live in
environments without this project.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AUTHORS_BATCH = 4  # rows, in the inference script of NiuTrans/LMT
CTRANSLATE2_BATCH = 16  # rows that CTranslate2 sorts by length out of all that it is handed


def authors_way(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], new_tokens: int, beams: int
) -> Iterator[str]:
    """transformers' generate: rows in file order, 4 at a time, padded, all beams until the last is done."""
    import torch
    from transformers import GenerationConfig

    from hf_miwv.common.models.end_tokens import end_tokens

    ends = end_tokens(model, tokenizer)
    settings = GenerationConfig(
        do_sample=False,
        num_beams=beams,
        max_new_tokens=new_tokens,
        eos_token_id=ends,
        pad_token_id=ends[0],
    )
    for start in range(0, len(prompts), AUTHORS_BATCH):
        batch = prompts[start : start + AUTHORS_BATCH]
        width = max(map(len, batch))
        ids = torch.tensor([[ends[0]] * (width - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
        model.generation_config = settings
        with torch.inference_mode():
            written = model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))[:, width:]
        yield from (text.strip() for text in tokenizer.batch_decode(written, True))


def hf_lmt(job: dict[str, Any], backend: str = "transformers") -> Iterator[list[str]]:
    from hf_lmt.translation.requests import Request
    from hf_lmt.translation.translator import Translator

    translator = Translator(
        job["model"],
        dtype=job["dtype"],
        backend=backend,
        num_beams=job["beams"],
        max_new_tokens=job["new_tokens"],
        length_caps=False,
        **({"device": "cpu", "batch_tokens": job["batch_tokens"]} if backend == "transformers" else {}),
    )
    requests = [Request(*request) for request in job["requests"]]
    yield []
    yield [translation.text for translation in translator.stream(requests)]


def transformers(job: dict[str, Any]) -> Iterator[list[str]]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])).eval()
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    yield []
    yield list(authors_way(model, tokenizer, job["prompts"], job["new_tokens"], job["beams"]))


def ctranslate2(job: dict[str, Any]) -> Iterator[list[str]]:
    import ctranslate2 as library
    from ctranslate2.converters import TransformersConverter
    from transformers import AutoTokenizer

    folder = Path(job["work"]) / f"ctranslate2-{job['dtype']}"
    if not folder.exists():
        TransformersConverter(job["model"]).convert(str(folder), quantization=job["dtype"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    generator = library.Generator(
        str(folder), device="cpu", compute_type=job["dtype"], inter_threads=1, intra_threads=1
    )
    prompts = [tokenizer.convert_ids_to_tokens(ids) for ids in job["prompts"]]
    yield []
    results = generator.generate_batch(
        prompts,
        max_batch_size=CTRANSLATE2_BATCH,
        beam_size=job["beams"],
        max_length=job["new_tokens"],
        sampling_topk=1,
        end_token=job["ends"],
        include_prompt_in_result=False,
    )
    yield [tokenizer.decode(result.sequences_ids[0], skip_special_tokens=True).strip() for result in results]


def vllm(job: dict[str, Any]) -> Iterator[list[str]]:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # or memory and seconds would be another process's
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    if job["beams"] > 1:  # vLLM's own search divides scores by the prompt's length, too, and ends elsewhere
        yield from hf_lmt(job, "vllm")
        return
    import vllm as library

    engine = library.LLM(
        job["model"], dtype=job["dtype"], enforce_eager=True, max_model_len=2048, disable_log_stats=True
    )
    settings = library.SamplingParams(
        temperature=0, max_tokens=job["new_tokens"], stop_token_ids=job["ends"], repetition_penalty=1.0
    )
    prompts = [{"prompt_token_ids": ids} for ids in job["prompts"]]
    yield []
    results = engine.generate(prompts, settings, use_tqdm=False)
    tokenizer = engine.get_tokenizer()
    yield [tokenizer.decode(result.outputs[0].token_ids, skip_special_tokens=True).strip() for result in results]


# Each yields once when its model is loaded, then its texts.
ARMS: dict[str, tuple[Callable[[dict[str, Any]], Iterator[list[str]]], str]] = {
    "hf_lmt, float32": (hf_lmt, "float32"),
    "hf_lmt, bfloat16": (hf_lmt, "bfloat16"),
    "transformers' generate, float32": (transformers, "float32"),
    "CTranslate2, float32": (ctranslate2, "float32"),
    "CTranslate2, int8": (ctranslate2, "int8"),
    "vLLM, float32": (vllm, "float32"),
    "vLLM, bfloat16": (vllm, "bfloat16"),
}


def memory(name: str) -> float:
    """GB: VmRSS, that the process holds, or VmHWM, the most that it held (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def measured(result: dict[str, Any]) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    result["loaded"] = memory("VmRSS")
    wall, processor = time.perf_counter(), time.process_time()
    yield
    result |= {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
    result["peak"] = memory("VmHWM")


def main(name: str, job_path: str, result_path: str) -> None:
    job = json.loads(Path(job_path).read_text("utf-8"))
    if job["core"] is not None:
        os.sched_setaffinity(0, {job["core"]})
    run, job["dtype"] = ARMS[name]
    steps, result = run(job), {}
    next(steps)
    with measured(result):
        result["texts"] = next(steps)
    Path(result_path).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
