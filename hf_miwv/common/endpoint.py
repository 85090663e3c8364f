"""An OpenAI-compatible endpoint: requests over HTTP with patience, and a key that never leaves its host."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from huggingface_hub import get_token

from hf_miwv.common.errors import InputError
from hf_miwv.common.extras import need

if TYPE_CHECKING:
    from httpx2 import Request, Response

RETRIES = 6  # the client's pauses of 0.5, 1, 2, 4, 8 and 8 seconds make up for a moment's trouble
SENT = ("host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent")
HUGGING_FACE = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndpointWords:
    """Words of an endpoint's messages.

    Attributes:
        subject (`str`): Name of the endpoint: "judge".
        purpose (`str`): Subject of the sentence on missing libraries: "an endpoint as judge".
        time_limit (`str`): The option that sets it, in brackets with a blank before, or "".
        check (`str`): Options to look at where a request is refused: "--judge and --judge-model".
        keeps (`str`): End of a message, on the work so far: "... and the same command goes on from there".
    """

    subject: str
    purpose: str
    time_limit: str
    check: str
    keeps: str


class Reply(NamedTuple):
    """Hold a reply.

    Attributes:
        status (`int`): Its HTTP status.
        text (`str`): Its body, without the key.
    """

    status: int
    text: str

    @property
    def first_words(self) -> str:
        """Return the beginning of the text, for messages."""
        return " ".join(self.text.split())[:300] or "no text"


def endpoint_url(address: str, path: str, subject: str, keys: str = "OPENAI_API_KEY or HF_TOKEN") -> str:
    """Return the address that requests are posted to.

    Args:
        address (`str`): As the user wrote it; a bare host gets /v1.
        path (`str`): The path that it ends with: "/completions".
        subject (`str`): The endpoint, in messages.
        keys (`str`, *optional*, defaults to `"OPENAI_API_KEY or HF_TOKEN"`): Variables of the environment that its
            key may stand in, in messages.

    Returns:
        `str`: The address.

    Raises:
        InputError: no http(s) address, or one with a key, a query or a fragment in it.
    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # half a bracket, or a port that is no number
        usable = False
    if not usable:
        raise InputError(f"{subject} {address.rpartition('@')[2]!r} is no address; write https://HOST/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError(
            f"the {subject}'s address on {parts.hostname} holds more than host and path; keys belong "
            f"into the environment ({keys}), because addresses are recorded"
        )
    base = parts.path.rstrip("/") or "/v1"
    ending = "" if base.endswith(path) else path
    return f"{parts.scheme}://{parts.netloc}{base}{ending}"


def key_for(url: str, *, openai_key: bool = True) -> tuple[str, str | None]:
    """Find the key for an address in the environment.

    A key is never sent to a host that it was not meant for: HF_TOKEN (or the login of
    `hf auth login`) goes to hosts of Hugging Face only, OPENAI_API_KEY to all others.

    Args:
        url (`str`): The address.
        openai_key (`bool`, *optional*, defaults to `True`): Whether hosts other than those of Hugging Face get
            OPENAI_API_KEY; else they get none.

    Returns:
        `tuple[str, str | None]`: The name of the environment variable, and the key in it, if any.

    Raises:
        InputError: it holds characters that no key has.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    hub = any(host == name or host.endswith(f".{name}") for name in HUGGING_FACE)
    name = "HF_TOKEN" if hub or not openai_key else "OPENAI_API_KEY"
    held = get_token() if hub else os.environ.get("OPENAI_API_KEY") if openai_key else None
    key = (held or "").strip() or None
    if key is None:
        return name, None
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"{name} holds characters that no key has; set it again")
    if parts.scheme == "http" and host not in LOOPBACK:
        logger.warning("the key in %s goes to %s over http, where others can read it", name, host)
    return name, key


class Endpoint:
    """Ask an endpoint, again where that helps.

    Status 408, 409, 429 and 5xx, time-outs and broken connections are tried again by the client of
    openai, `retries` times, with doubling pauses or as long as Retry-After says, up to its two
    minutes. Of the environment only the key is sent. Not huggingface_hub's own client, because
    HF_HUB_OFFLINE closes that one for every address.

    Args:
        url (`str`): As `endpoint_url` returns it.
        path (`str`): The path at its end.
        words (`EndpointWords`): Words of its messages.
        timeout (`float`): Seconds to wait for a reply.
        concurrency (`int`): Requests at a time.
        retries (`int`, *optional*, defaults to `RETRIES`): Further attempts at a request.
        accepted (`tuple[int, ...]`, *optional*): Error statuses that are the caller's to read, not faults.
        openai_key (`bool`, *optional*, defaults to `True`): As in `key_for`.

    Raises:
        InputError: openai is not installed, or the address or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        path: str,
        words: EndpointWords,
        *,
        timeout: float,
        concurrency: int,
        retries: int = RETRIES,
        accepted: tuple[int, ...] = (),
        openai_key: bool = True,
    ) -> None:
        self.url, self._path, self._words, self._accepted = url, path, words, accepted
        self._name, self._key = key_for(url, openai_key=openai_key)
        need("judge", words.purpose, "openai", "httpx2")
        from httpx2 import InvalidURL, Limits
        from openai import DefaultHttpxClient, OpenAI

        try:
            transport = DefaultHttpxClient(
                follow_redirects=False,  # they could carry the key to another host
                limits=Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
                event_hooks={"request": [self._authorize], "response": [self._tell_pause]},
            )
            self._client = OpenAI(
                base_url=url.removesuffix(path),
                api_key=self._key or "none",  # without one, openai would look for it
                timeout=timeout,
                max_retries=retries,
                http_client=transport,
            )
        except (InvalidURL, ImportError, ValueError) as error:  # of proxies; SOCKS needs one more package
            raise InputError(
                f"{words.subject} {url}: it, or a proxy in the environment, cannot be used: {error}"
            ) from error

    def post(self, body: Mapping[str, Any]) -> Reply:
        """Post a body; return the reply, a success or one of the accepted statuses.

        Args:
            body (`Mapping[str, Any]`): Such as JSON holds.

        Returns:
            `Reply`: Status and body of the answer.

        Raises:
            InputError: the key is refused, or the endpoint cannot be had.
        """
        return self._send("post", self._path, json.dumps(body).encode())  # openai cannot write half a surrogate pair

    def get(self, path: str) -> Reply:
        """Get a path beside the one that is posted to; as `post`.

        Args:
            path (`str`): Path at the address of the endpoint.

        Returns:
            `Reply`: Status and body of the answer.

        Raises:
            InputError: as `post`.
        """
        return self._send("get", path, None)

    def _send(self, method: str, path: str, content: bytes | None) -> Reply:
        from httpx2 import Response
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        words = self._words
        start = f"{words.subject} {self.url}"
        try:
            if content is None:
                response = self._client.get(path, cast_to=Response)
            else:
                response = self._client.post(path, content=content, cast_to=Response)
        except APIStatusError as error:
            response = error.response
        except APITimeoutError as error:
            patience = f"no answer within {self._client.timeout:g} seconds{words.time_limit}, several times over"
            raise InputError(f"{start}: {patience}; {words.keeps}") from error
        except APIConnectionError as error:
            raise InputError(f"{start}: cannot be reached ({str(error.__cause__)[:200]}); {words.keeps}") from error
        text = response.content.decode(errors="replace")
        # Some servers quote the request in their error, and the message goes to logs.
        reply = Reply(response.status_code, text.replace(self._key, "***") if self._key else text)
        if response.is_success or reply.status in self._accepted:
            return reply
        if reply.status in (401, 403):
            fault = f"the key in {self._name} is not the right one for it" if self._key else f"{self._name} is not set"
            raise InputError(
                f"{start}: refuses access (status {reply.status}): {fault}; set {self._name} in "
                f"the environment; {words.keeps}"
            )
        raise InputError(
            f"{start}: status {reply.status}: {reply.first_words}; check {words.check}, or wait; {words.keeps}"
        )

    def _authorize(self, request: Request) -> None:
        # The last word on every request: the client adds headers of its own and from OPENAI_* variables.
        for header in set(request.headers) - set(SENT):
            del request.headers[header]
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"

    def _tell_pause(self, response: Response) -> None:
        pause = response.headers.get("Retry-After", "0")
        if response.is_error and pause != "0":
            length = f"{pause} seconds" if pause.isdigit() else f"until {pause[:40]}"
            logger.info("status %d: the %s asks to wait %s", response.status_code, self._words.subject, length)
