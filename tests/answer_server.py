"""A real endpoint on the loopback address that serves a tiny model, for texts and for chats."""

from __future__ import annotations

from typing import Any

from judge_server import JudgeServer

from hf_miwv.common.models.models import LoadedModel
from hf_miwv.judging.generation import generate


class AnswerServer(JudgeServer):
    """Answer greedily, as the model does here; misbehave as `JudgeServer` does."""

    paths = ("/v1/chat/completions", "/v1/completions")

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        super().__init__()

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the choice with the model's answer."""
        model, tokenizer, _ = self.loaded
        if "messages" in body:
            text = tokenizer.apply_chat_template(body["messages"], add_generation_prompt=True, tokenize=False)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ids = tokenizer(body["prompt"])["input_ids"]
        with self.lock:
            (written,) = generate(model, tokenizer, [ids], body["max_tokens"])
        finish = {"complete": "stop", "cut": "length"}[written.status]
        if "messages" in body:
            return {"message": {"role": "assistant", "content": written.text}, "finish_reason": finish}
        return {"text": written.text, "finish_reason": finish}
