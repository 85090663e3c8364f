"""A server that runs already as backend: OpenAI-compatible completions of vLLM or SGLang, asked with token ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hf_lmt.translation.external_model import ExternalModel
from hf_lmt.translation.generate import ACCELERATOR_BATCH_TOKENS, line_breaks, read_entry
from hf_lmt.translation.store import Entry
from hf_miwv.common.endpoint import Endpoint, EndpointWords, endpoint_url
from hf_miwv.common.errors import InputError

PATH = "/completions"
WORDS = EndpointWords(
    subject="endpoint",
    purpose="backend openai",
    time_limit="",
    check="--base-url and --model",
    keeps="finished texts are kept with --output or --work, and the same command goes on from there",
)
CONCURRENCY = 64  # requests at a time, of which the server makes its own batches; ours
TIMEOUT = 600.0  # seconds to wait for a reply, the default of openai's client

logger = logging.getLogger(__name__)


class OpenAIBackend:
    """Post prompts as token ids to /v1/completions, one request for each, at temperature 0.

    The server must serve the model that is named: under its name, or from it (`root`). The prompt's
    tokens, the end tokens and the identity of the prompt are those of the model that is named, as it
    lies here or on the Hub; what the server wrote is compared with its tokenizer. The checkpoint's own
    penalties, which servers take for defaults, are turned off.

    Args:
        model (`ExternalModel`): The model, as `read_external_model` reads it.
        base_url (`str`): Address of the server, http://HOST:8000/v1.
        form (`str`): "conversation" or "text".
        beams (`int`): 1.

    Raises:
        InputError: more beams than 1; an address that cannot be used; a server that serves another
            model, or cannot be reached.
    """

    def __init__(self, model: ExternalModel, base_url: str, form: str, beams: int) -> None:
        if beams != 1:
            raise InputError(
                f"num_beams {beams} with backend openai, whose servers search greedily here; give --num-beams 1"
            )
        self._model, self._form, self.beams = model, form, beams
        self._ends = set(model.ends) | (line_breaks(model.tokenizer) if form == "text" else set())
        url = endpoint_url(base_url, PATH, WORDS.subject)
        self._endpoint = Endpoint(url, PATH, WORDS, timeout=TIMEOUT, concurrency=CONCURRENCY)
        self._served = self._find_served()
        self._unchecked = False  # whether it was said that the server's tokenizer cannot be compared
        self.context: int | None = self._served.get("max_model_len") or model.context
        self.batch_tokens = ACCELERATOR_BATCH_TOKENS  # what is kept together when a run is killed

    def made_by(self) -> Mapping[str, Any]:
        """Return all that a text hangs on beside its prompt and cap."""
        return {
            "backend": f"openai, {self._served.get('owned_by') or 'unknown server'}",
            "url": self._endpoint.url,
            "served": self._served["id"],
            "model": self._model.state,
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
            InputError: the server cannot be had, refuses, or writes with another tokenizer.
        """
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            requests = [pool.submit(self._complete, ids, cap) for ids, cap in zip(prompts, caps, strict=True)]
            try:
                return [request.result() for request in requests]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _find_served(self) -> dict[str, Any]:
        """Return what the server says of the model that is named.

        Raises:
            InputError: it serves another, or does not say what it serves.
        """
        reply = self._endpoint.get("/models")
        try:
            served = [dict(entry) for entry in json.loads(reply.text)["data"]]
            names = [str(entry["id"]) for entry in served]
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"endpoint {self._endpoint.url}: does not list its models ({reply.first_words}); give the address of "
                "an OpenAI-compatible server"
            ) from error
        source = self._model.source
        matching = [entry for entry in served if source in (entry["id"], entry.get("root"))]
        if not matching:
            raise InputError(
                f"endpoint {self._endpoint.url} serves {', '.join(names) or 'no model'}, and {source} is asked for; "
                "give --model as it is served, or serve the model under this name (--served-model-name)"
            )
        return matching[0]

    def _complete(self, ids: list[int], cap: int) -> Entry:
        body = {
            "model": self._served["id"],
            "prompt": ids,
            "max_tokens": cap,
            "temperature": 0,
            "stop_token_ids": sorted(self._ends),
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "return_token_ids": True,
        }
        reply = self._endpoint.post(body)
        try:
            content = json.loads(reply.text)
            choice = content["choices"][0]
            text, finish, written = str(choice["text"]), choice["finish_reason"], choice.get("token_ids")
            tokens = int(content["usage"]["completion_tokens"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(
                f"endpoint {self._endpoint.url}: answers with something else than a completion "
                f"({reply.first_words}); give the address of an OpenAI-compatible server"
            ) from error
        if written is None:  # SGLang returns the text alone
            if not self._unchecked:
                self._unchecked = True
                logger.warning(
                    "endpoint %s returns texts without their token ids: whether it has the tokenizer of %s is unknown",
                    self._endpoint.url,
                    self._model.source,
                )
            line = text.partition("\n")[0] if self._form == "text" else text
            return line.strip(), "ok" if finish == "stop" else "capped", tokens
        entry = read_entry(self._model.tokenizer, written, self._ends, self._form)
        # The server drops what stands behind its last whole character.
        if not entry[0].startswith(text.partition("\n")[0].rstrip("\ufffd").strip()):
            raise InputError(
                f"endpoint {self._endpoint.url}: the server reads its tokens as {text[:60]!r}, and the tokenizer of "
                f"{self._model.source} as {entry[0][:60]!r}: it serves another model; give --model as it is served"
            )
        return entry
