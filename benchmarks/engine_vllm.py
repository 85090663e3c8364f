"""The arm of engine.py that vLLM runs, in its own environment: python engine_vllm.py JOB.json RESULT.json

The job has a model's folder, a dtype, and passes as token ids with the number of response tokens behind each. The
result has the mean nats per response token of each pass, by `prompt_logprobs`, and wall and processor seconds without
the loading.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")


def main(job_path: str, result_path: str) -> None:
    import vllm

    job = json.loads(Path(job_path).read_text("utf-8"))
    longest = max(len(ids) for ids, _ in job["passes"])
    engine = vllm.LLM(
        job["model"], dtype=job["dtype"], enforce_eager=True, max_model_len=longest + 1, disable_log_stats=True
    )
    # Each loss wants the probability of the token that stands there, and no other; one more token must be written.
    settings = vllm.SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0)
    began = time.perf_counter(), time.process_time()
    results = engine.generate([{"prompt_token_ids": ids} for ids, _ in job["passes"]], settings, use_tqdm=False)
    losses = []
    for (ids, response), result in zip(job["passes"], results, strict=True):
        positions = range(len(ids) - response, len(ids))
        losses.append(-sum(result.prompt_logprobs[at][ids[at]].logprob for at in positions) / response)
    seconds = [time.perf_counter() - began[0], time.process_time() - began[1]]
    Path(result_path).write_text(json.dumps({"losses": losses, "seconds": seconds}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
