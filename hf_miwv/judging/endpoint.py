"""A judge behind an address: an OpenAI-compatible endpoint, asked over HTTP with patience."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from huggingface_hub import get_token
from requests.adapters import HTTPAdapter
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from hf_miwv.common.errors import InputError
from hf_miwv.judging.verdicts import Judge, Refused
from hf_miwv.rows.turns import Turn

RETRIES = 5  # after 0, 2, 4, 8 and 16 seconds, or when Retry-After says
CONNECT_RETRIES = 3
AGAIN = (429, 500, 502, 503, 504)
TOO_MUCH = (400, 413, 422)  # the endpoint does not take this one question
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
    """A model behind POST .../chat/completions, at temperature 0.

    The key comes from the environment and goes nowhere else: OPENAI_API_KEY, but for hosts of
    Hugging Face HF_TOKEN, or what `hf auth login` left. Without one, none is sent.

    Status 429 and 5xx, time-outs and broken connections are tried again, `retries` times, with
    doubling pauses or as long as Retry-After says. Not huggingface_hub's own client, because
    HF_HUB_OFFLINE closes that one for every address.

    Args:
        address: with /chat/completions at its end or without; a bare host gets /v1 before that.
        fields: are added to the body of each request; one that is None is taken out of it.
        timeout: seconds to wait for a reply.

    Raises:
        InputError: the address or the key cannot be used. Asking raises it where the key is
            refused or the endpoint cannot be had.
    """
    url = completions_url(address)
    name, key = key_for(url)
    body = {"model": model, "temperature": 0, "max_tokens": max_new_tokens, **(fields or {})}
    body = {field: value for field, value in body.items() if value is not None}
    session = _session(key, concurrency, retries)

    def ask(conversations: Sequence[list[Turn]]) -> list[str | Refused]:
        return [_ask(session, url, {**body, "messages": turns}, timeout, name, key) for turns in conversations]

    return Judge(
        description={"kind": "endpoint", "url": url, "request": body},
        ask=ask,
        batches=lambda questions: [[index] for index in range(len(questions))],
        concurrency=concurrency,
    )


def completions_url(address: str) -> str:
    """The address that questions are posted to.

    >>> completions_url("http://localhost:8000")
    'http://localhost:8000/v1/chat/completions'

    Raises:
        InputError: no http(s) address, or one with a key, a query or a fragment in it.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"judge {address!r} is no address; write https://HOST/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError(
            f"the judge's address on {parts.hostname} holds more than host and path; keys belong "
            "into the environment (OPENAI_API_KEY or HF_TOKEN), because addresses are recorded"
        )
    path = parts.path.rstrip("/") or "/v1"
    ending = "" if path.endswith("/chat/completions") else "/chat/completions"
    return f"{parts.scheme}://{parts.netloc}{path}{ending}"


def key_for(url: str) -> tuple[str, str | None]:
    """The name of the environment variable for this address, and the key in it, if any.

    A key is never sent to a host that it was not meant for: HF_TOKEN (or the login of
    `hf auth login`) goes to hosts of Hugging Face only, OPENAI_API_KEY to all others.

    Raises:
        InputError: it holds characters that no key has.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
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


class _ToldRetry(Retry):
    """Retry that says so where the endpoint asks to wait."""

    def sleep_for_retry(self, response: BaseHTTPResponse) -> bool:
        seconds = self.get_retry_after(response)
        if seconds:
            logger.info("status %d: the judge asks to wait %.0f seconds", response.status, seconds)
        return super().sleep_for_retry(response)


def _session(key: str | None, concurrency: int, retries: int) -> requests.Session:
    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key is not None:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    patience = _ToldRetry(
        total=retries,
        connect=min(retries, CONNECT_RETRIES),
        status_forcelist=AGAIN,
        allowed_methods=None,
        backoff_factor=1,
        raise_on_status=False,
    )
    adapter = HTTPAdapter(pool_maxsize=concurrency, max_retries=patience)
    session = requests.Session()
    session.auth = authorize  # as a function it also keeps ~/.netrc out
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _ask(
    session: requests.Session,
    url: str,
    body: dict[str, Any],
    timeout: float,
    name: str,
    key: str | None,
) -> str | Refused:
    try:
        response = session.post(url, json=body, timeout=timeout, allow_redirects=False)
    except requests.RequestException as error:
        raise InputError(f"judge {url}: {_no_answer(error, timeout)}; {GO_ON}") from error
    response.encoding = "utf-8"
    text = response.text.replace(key, "***") if key else response.text
    if response.status_code == 200:
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
    """The text of the first choice; "" where it has none (a reply that a filter took away)."""
    try:
        content = json.loads(text)["choices"][0]["message"].get("content")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"judge {url}: answers with something else than a chat completion "
            f"({_first_words(text)}); give the address of an OpenAI-compatible endpoint"
        ) from error
    return content if isinstance(content, str) else ""


def _no_answer(error: requests.RequestException, timeout: float) -> str:
    reason = getattr(error.args[0] if error.args else None, "reason", None) or error
    if isinstance(error, requests.Timeout) or "timed out" in str(reason):
        return f"no answer within {timeout:g} seconds (--timeout), several times over"
    return f"cannot be reached ({str(reason).rpartition('>: ')[2][:200]})"


def _first_words(text: str) -> str:
    return " ".join(text.split())[:300] or "no text"
