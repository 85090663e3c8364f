"""A judge behind an address: an OpenAI-compatible endpoint, asked over HTTP with patience."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from huggingface_hub import get_token

from hf_miwv.common.errors import InputError
from hf_miwv.common.extras import need
from hf_miwv.judging.verdicts import Judge, Refused
from hf_miwv.rows.turns import Turn

if TYPE_CHECKING:
    from httpx2 import Request, Response
    from openai import OpenAI

RETRIES = 6  # the client's pauses of 0.5, 1, 2, 4, 8 and 8 seconds make up for a moment's trouble
PATH = "/chat/completions"
TOO_MUCH = (400, 413, 422)  # the endpoint does not take this one question
SENT = ("host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent")
HUGGING_FACE = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

logger = logging.getLogger(__name__)


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
        max_new_tokens (`int`, *optional*, defaults to 512): Tokens of a reply, at most.
        fields (`Mapping[str, Any]`, *optional*): Fields to add to the body of each request; one that is None
            is taken out of it.
        timeout (`float`, *optional*, defaults to 120): Seconds to wait for a reply.
        concurrency (`int`, *optional*, defaults to 8): Requests at a time.
        retries (`int`, *optional*, defaults to RETRIES): Further attempts at a request.

    Returns:
        `Judge`: The judge.

    Raises:
        InputError: openai is not installed, or the address or the key cannot be used. Asking
            raises it where the key is refused or the endpoint cannot be had.
    """
    url = completions_url(address)
    name, key = key_for(url)
    body = {"model": model, "temperature": 0, "max_tokens": max_new_tokens, **(fields or {})}
    # Some endpoints refuse temperature or max_tokens: a null in `fields` takes them out.
    body = {field: value for field, value in body.items() if value is not None}
    client = _client(url, key, timeout, concurrency, retries)

    def ask(conversations: Sequence[list[Turn]]) -> list[str | Refused]:
        return [_ask(client, url, {**body, "messages": turns}, name, key) for turns in conversations]

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
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # half a bracket, or a port that is no number
        usable = False
    if not usable:
        raise InputError(f"judge {address.rpartition('@')[2]!r} is no address; write https://HOST/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError(
            f"the judge's address on {parts.hostname} holds more than host and path; keys belong "
            "into the environment (OPENAI_API_KEY or HF_TOKEN), because addresses are recorded"
        )
    path = parts.path.rstrip("/") or "/v1"
    ending = "" if path.endswith(PATH) else PATH
    return f"{parts.scheme}://{parts.netloc}{path}{ending}"


def key_for(url: str) -> tuple[str, str | None]:
    """Find the key for an address.

    A key is never sent to a host that it was not meant for: HF_TOKEN (or the login of
    `hf auth login`) goes to hosts of Hugging Face only, OPENAI_API_KEY to all others.

    Args:
        url (`str`): The address.

    Returns:
        `tuple[str, str | None]`: The name of the environment variable, and the key in it, if any.

    Raises:
        InputError: it holds characters that no key has.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    # By whole labels of the name: a host such as my-huggingface.co must not get the token.
    hub = any(host == name or host.endswith(f".{name}") for name in HUGGING_FACE)
    name = "HF_TOKEN" if hub else "OPENAI_API_KEY"
    key = ((get_token() if hub else os.environ.get(name)) or "").strip() or None
    if key is None:
        return name, None
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"{name} holds characters that no key has; set it again")
    if parts.scheme == "http" and host not in LOOPBACK:
        logger.warning("the key in %s goes to %s over http, where others can read it", name, host)
    return name, key


def _client(url: str, key: str | None, timeout: float, concurrency: int, retries: int) -> OpenAI:
    need("judge", "an endpoint as judge", "openai", "httpx2")
    from httpx2 import InvalidURL, Limits
    from openai import DefaultHttpxClient, OpenAI

    def authorize(request: Request) -> None:
        # The last word on every request: the client adds headers of its own and from OPENAI_* variables.
        for header in set(request.headers) - set(SENT):
            del request.headers[header]
        if key is not None:
            request.headers["Authorization"] = f"Bearer {key}"

    try:
        transport = DefaultHttpxClient(
            follow_redirects=False,  # they could carry the key to another host
            limits=Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            event_hooks={"request": [authorize], "response": [_tell_pause]},
        )
        base_url, api_key = url.removesuffix(PATH), key or "none"  # without one, openai would look for it
        return OpenAI(base_url=base_url, api_key=api_key, timeout=timeout, max_retries=retries, http_client=transport)
    except (InvalidURL, ImportError, ValueError) as error:  # of proxies; SOCKS needs one more package
        raise InputError(f"judge {url}: it, or a proxy in the environment, cannot be used: {error}") from error


def _tell_pause(response: Response) -> None:
    pause = response.headers.get("Retry-After", "0")
    if response.is_error and pause != "0":
        length = f"{pause} seconds" if pause.isdigit() else f"until {pause[:40]}"
        logger.info("status %d: the judge asks to wait %s", response.status_code, length)


def _ask(client: OpenAI, url: str, body: dict[str, Any], name: str, key: str | None) -> str | Refused:
    from httpx2 import Response
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    content = json.dumps(body).encode()  # the client itself cannot write half a surrogate pair
    try:
        response = client.post(PATH, content=content, cast_to=Response)
    except APIStatusError as error:
        response = error.response
    except APITimeoutError as error:
        patience = f"no answer within {client.timeout:g} seconds (--timeout), several times over"
        raise InputError(f"judge {url}: {patience}; {GO_ON}") from error
    except APIConnectionError as error:
        raise InputError(f"judge {url}: cannot be reached ({str(error.__cause__)[:200]}); {GO_ON}") from error
    text = response.content.decode(errors="replace")
    # Some servers quote the request in their error, and the message goes to logs.
    text = text.replace(key, "***") if key else text
    if response.is_success:
        return _content(url, text)
    if response.status_code in (401, 403):
        fault = f"the key in {name} is not the right one for it" if key else f"{name} is not set"
        raise InputError(
            f"judge {url}: refuses access (status {response.status_code}): {fault}; set {name} in "
            f"the environment; {GO_ON}"
        )
    words = f"status {response.status_code}: {_first_words(text)}"
    if response.status_code in TOO_MUCH:
        return Refused(words)
    raise InputError(f"judge {url}: {words}; check --judge and --judge-model, or wait; {GO_ON}")


GO_ON = "verdicts that were given are kept, and the same command goes on from there"


def _content(url: str, text: str) -> str:
    """Return the text of the first choice; "" where it has none (a reply that a filter took away)."""
    try:
        content = json.loads(text)["choices"][0]["message"].get("content")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"judge {url}: answers with something else than a chat completion "
            f"({_first_words(text)}); give the address of an OpenAI-compatible endpoint"
        ) from error
    return content if isinstance(content, str) else ""


def _first_words(text: str) -> str:
    return " ".join(text.split())[:300] or "no text"
