"""A judge behind an address: an OpenAI-compatible endpoint, asked over HTTP with patience."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hf_miwv.common.endpoint import RETRIES, Endpoint, EndpointWords, Reply, endpoint_url
from hf_miwv.common.errors import InputError
from hf_miwv.judging.verdicts import Judge, Refused
from hf_miwv.rows.turns import Turn

PATH = "/chat/completions"
TOO_MUCH = (400, 413, 422)  # the endpoint does not take this one question
WORDS = EndpointWords(
    subject="judge",
    purpose="an endpoint as judge",
    time_limit=" (--timeout)",
    check="--judge and --judge-model",
    keeps="verdicts that were given are kept, and the same command goes on from there",
)


def endpoint_judge(
    address: str,
    model: str,
    *,
    max_new_tokens: int = 512,
    fields: Mapping[str, Any] | None = None,
    timeout: float = 120.0,
    concurrency: int = 8,
    retries: int = RETRIES,
) -> Judge:
    """Make a judge of the model behind POST .../chat/completions, at temperature 0.

    The key comes from the environment and goes nowhere else: OPENAI_API_KEY, but for hosts of
    Hugging Face HF_TOKEN, or what `hf auth login` left. Without one, none is sent. Nothing else that
    the client of openai reads there (organization, project, address, headers) is used.

    Status 408, 409, 429 and 5xx, time-outs and broken connections are tried again by that client,
    `retries` times, with doubling pauses or as long as Retry-After says, up to its two minutes.
    Not huggingface_hub's own client, because HF_HUB_OFFLINE closes that one for every address.

    Args:
        address (`str`): With /chat/completions at its end or without; a bare host gets /v1 before that.
        model (`str`): Name of the model behind it.
        max_new_tokens (`int`, *optional*, defaults to `512`): Tokens of a reply, at most.
        fields (`Mapping[str, Any]`, *optional*): Fields to add to the body of each request; one that is None
            is taken out of it.
        timeout (`float`, *optional*, defaults to `120`): Seconds to wait for a reply.
        concurrency (`int`, *optional*, defaults to `8`): Requests at a time.
        retries (`int`, *optional*, defaults to `RETRIES`): Further attempts at a request.

    Returns:
        `Judge`: The judge.

    Raises:
        InputError: openai is not installed, or the address or the key cannot be used. Asking
            raises it where the key is refused or the endpoint cannot be had.
    """
    url = completions_url(address)
    body = {"model": model, "temperature": 0, "max_tokens": max_new_tokens, **(fields or {})}
    # Some endpoints refuse temperature or max_tokens: a null in `fields` takes them out.
    body = {field: value for field, value in body.items() if value is not None}
    endpoint = Endpoint(url, PATH, WORDS, timeout=timeout, concurrency=concurrency, retries=retries, accepted=TOO_MUCH)

    def ask(conversations: Sequence[list[Turn]]) -> list[str | Refused]:
        return [_read(url, endpoint.post({**body, "messages": turns})) for turns in conversations]

    return Judge(
        description={"kind": "endpoint", "url": url, "request": body},
        ask=ask,
        batches=lambda questions: [[index] for index in range(len(questions))],
        concurrency=concurrency,
    )


def completions_url(address: str) -> str:
    """Return the address that questions are posted to.

    Args:
        address (`str`): As the user wrote it.

    Returns:
        `str`: The address.

    Raises:
        InputError: no http(s) address, or one with a key, a query or a fragment in it.

    >>> completions_url("http://localhost:8000")
    'http://localhost:8000/v1/chat/completions'
    """
    return endpoint_url(address, PATH, WORDS.subject)


def _read(url: str, reply: Reply) -> str | Refused:
    """Return the text of the first choice; "" where it has none (a reply that a filter took away)."""
    if reply.status in TOO_MUCH:
        return Refused(f"status {reply.status}: {reply.first_words}")
    try:
        content = json.loads(reply.text)["choices"][0]["message"].get("content")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"judge {url}: answers with something else than a chat completion "
            f"({reply.first_words}); give the address of an OpenAI-compatible endpoint"
        ) from error
    return content if isinstance(content, str) else ""
