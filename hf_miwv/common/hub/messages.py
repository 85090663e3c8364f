"""Why something could not be pushed, in plain words; which failures may pass by themselves."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from hf_miwv.common.errors import InputError, error_chain

Result = TypeVar("Result")
PASSING = (408, 429, 500, 502, 503, 504)  # the statuses that the client's own backoff retries
CONFLICTS = (409, 412)
WAITS = (1, 2, 4, 8, 8)  # seconds, as the client's own backoff
STORAGE = ("quota", "storage limit", "storage space", "storage capacity")
UNTOUCHED = "the folder here is as it was, and nothing of a half push is visible"

logger = logging.getLogger(__name__)


def persist(call: Callable[[], Result]) -> Result:
    """Return the call's result; after failures that may pass, wait and retry, as long as the client would.

    The client (huggingface_hub 2.4) waits by itself where it uploads, and not where it asks for or
    makes a repository.

    Args:
        call (`Callable[[], Result]`): A call of the Hub's client.

    Returns:
        `Result`: Its result.

    Raises:
        HTTPError: a failure that does not pass, or the last of those that may.
    """
    for wait in WAITS:
        try:
            return call()
        except HTTPError as error:
            if not may_pass(error):
                raise
            pause(error, wait)
    return call()


def pause(error: Exception, seconds: float) -> None:
    """Wait before the next attempt, at least as long as the Hub asks for.

    Args:
        error (`Exception`): The failure.
        seconds (`float`): Seconds to wait at least.
    """
    # A second more than asked for, so that the limit is over for certain.
    asked = _asked_wait(error)
    wait = max(seconds, asked + 1) if asked is not None else seconds
    logger.warning("the Hub: %s; again in %g s", _reason(error), wait)
    time.sleep(wait)


def may_pass(error: Exception) -> bool:
    """Check whether the error is a broken connection, an overload or a rate limit.

    Args:
        error (`Exception`): The failure.

    Returns:
        `bool`: True where another attempt may succeed.
    """
    status = _status(error)
    return isinstance(error, HTTPError) and (status is None or status in PASSING)


def is_conflict(error: Exception) -> bool:
    """Check whether the error says that another commit came in between.

    Args:
        error (`Exception`): The failure.

    Returns:
        `bool`: True for statuses in CONFLICTS.
    """
    return _status(error) in CONFLICTS


@contextmanager
def explained_hub_errors(repository: str, state_after: str = UNTOUCHED) -> Iterator[None]:
    """Turn the client's errors about the Hub into an InputError; faults of ours stay.

    Args:
        repository (`str`): OWNER/NAME.
        state_after (`str`, *optional*, defaults to `UNTOUCHED`): State of things after the error, in words.

    Raises:
        InputError: the Hub refuses, or cannot be reached.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the client wraps them in many kinds
        # The reason may be several causes deep: uploads run in threads, and each layer wraps the error anew.
        chain = list(error_chain(error))
        if not any(isinstance(link, HTTPError | OfflineModeIsEnabled) for link in chain) and not (
            isinstance(error, ValueError) and str(error).startswith(("LFS batch", "Invalid meta"))
        ):
            raise
        raise InputError(f"{repository}: {push_words(chain)}; {state_after}") from error


def push_words(chain: list[BaseException]) -> str:
    """Return the reason, and what to do about it, for a chain of exceptions.

    Args:
        chain (`list[BaseException]`): An error and its causes, in their order.

    Returns:
        `str`: The words, without a full stop.
    """
    if any(isinstance(link, OfflineModeIsEnabled) for link in chain):
        return "the Hub may not be asked, as HF_HUB_OFFLINE is set; unset it"
    server_words = _server_words(chain)
    if any(word in server_words.lower() for word in STORAGE):
        return f"there is no room left ({server_words}); free some, or push to another account"
    status = next((code for link in chain if (code := _status(link)) is not None), None)
    if status is None and "LFS batch" not in server_words and "metadata" not in server_words:
        return (
            f"the Hub cannot be reached ({server_words or type(chain[-1]).__name__}); check the "
            "connection, then the same command goes on with what has not arrived yet"
        )
    reasons = {
        401: "the Hub does not accept the token; log in anew with `hf auth login`, or set HF_TOKEN "
        "to one that is valid",
        402: f"the Hub asks for payment ({server_words})",
        403: f"the token may not write here ({server_words}); take one with the role `write` for this "
        "account, or push to an account of yours, or with --pull-request",
        404: "the Hub has no such repository or revision, or it is private and not yours; check the spelling",
        409: "other commits came in between, again and again; push once more when they are done",
        413: f"a file is larger than the Hub takes ({server_words}); save it in smaller parts",
        429: "the Hub asks for fewer requests; push once more in some minutes, and it goes on with "
        "what has not arrived yet",
    }
    reasons[412] = reasons[409]
    if status in reasons:
        return reasons[status]
    if "too large" in server_words.lower():
        return reasons[413]
    tail = "; the same command goes on with what has not arrived yet" if status in PASSING else ""
    return f"the Hub refuses ({server_words or status}){tail}"


def card_words(error: ValueError) -> str:
    """Return the Hub's complaints about a card's metadata, a sentence for each fault.

    Args:
        error (`ValueError`): The error of the client's validation.

    Returns:
        `str`: The complaints.
    """
    try:
        faults = json.loads(str(error)).get("errors", [])
        return "; ".join(fault["message"] for fault in faults) or str(error)
    except (ValueError, AttributeError, KeyError, TypeError):
        return " ".join(str(error).split())


def _server_words(chain: list[BaseException]) -> str:
    """Return the server's own message, else the first line of the last link that says something."""
    for link in chain:
        if isinstance(link, HfHubHTTPError) and link.server_message:
            return " ".join(link.server_message.split()).rstrip(".")
    lines = [" ".join(str(link).split()) for link in chain]
    return next((line for line in reversed(lines) if line), "")


def _reason(error: Exception) -> str:
    status = _status(error)
    return f"{status} {_server_words([error])}" if status is not None else _server_words([error])


def _status(error: BaseException) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _asked_wait(error: Exception) -> int | None:
    if not isinstance(error, HfHubHTTPError):
        return None
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = error.response.headers
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    after = headers.get("Retry-After", "")
    return int(after) if after.isdigit() else None
