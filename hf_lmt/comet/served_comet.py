"""The client of `comet_server`: a COMET model behind an address, asked as one in this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from hf_lmt.comet.comet_model import ROWS_AT_ONCE
from hf_miwv.common.endpoint import RETRIES, Endpoint, EndpointWords, Reply, endpoint_url
from hf_miwv.common.errors import InputError
from hf_miwv.common.extras import need

PATH, IDENTITY_PATH = "/score", "/identity"
WORDS = EndpointWords(
    subject="COMET server",
    purpose="a served COMET (base_url)",
    time_limit=" (timeout in Python)",
    check="base_url",
    keeps="start `hf-lmt serve-comet MODEL` there and give its address as base_url; a training goes on from its last "
    "checkpoint by the same command",
)
TIMEOUT = 600.0  # seconds to wait for a reply, the default of openai's client
DESCRIBED = {"model": str, "dtype": str, "fingerprint": str, "needs_references": bool, "hf_lmt": str}


class ServedComet:
    """Score segments by a COMET model that `hf-lmt serve-comet` serves.

    Rows go there in blocks of 512, as `CometModel.score` forms them, and scores come back as float64 that hold the
    float32 of the model: on the same device and as many threads they equal those in process. Time-outs, broken
    connections and status 429 and 5xx are tried again, `retries` times with doubling pauses. No key is sent, but to
    hosts of Hugging Face HF_TOKEN.

    Args:
        base_url (`str`): Address of the server, http://HOST:8500/v1; a bare host gets /v1.
        timeout (`float`, *optional*, defaults to `600`): Seconds to wait for a reply.
        retries (`int`, *optional*, defaults to `RETRIES`): Further attempts at a request.

    Raises:
        InputError: openai is not installed (extra `judge`), or the address cannot be used.
    """

    def __init__(self, base_url: str, *, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        need("judge", WORDS.purpose, "openai", "httpx2")
        self.url = endpoint_url(base_url, PATH, WORDS.subject, keys="HF_TOKEN, for hosts of Hugging Face")
        self._timeout, self._retries = timeout, retries
        self._endpoint: Endpoint | None = None
        self._description: dict[str, Any] | None = None

    @property
    def description(self) -> dict[str, Any]:
        """Return what the server says of its model, as `comet_server.describe_comet`; it is asked once.

        Returns:
            `dict[str, Any]`: The description.

        Raises:
            InputError: The server cannot be reached, or is none of `hf-lmt serve-comet`.
        """
        if self._description is None:
            reply = self._connection.get(IDENTITY_PATH)
            try:
                content = json.loads(reply.text)
                described = {name: content[name] for name in DESCRIBED}
            except (ValueError, LookupError, TypeError) as error:
                raise self._not_ours(reply) from error
            if any(not isinstance(described[name], kind) for name, kind in DESCRIBED.items()):
                raise self._not_ours(reply)
            self._description = described
        return self._description

    @property
    def identity(self) -> str:
        """Return name and revision of the model; as `description`."""
        return str(self.description["model"])

    @property
    def needs_references(self) -> bool:
        """Return whether the model scores with references only; as `description`."""
        return bool(self.description["needs_references"])

    def score(
        self, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None = None
    ) -> np.ndarray:
        """Score S segments, as `CometModel.score`.

        Args:
            sources (`Sequence[str]`): (S,) source texts.
            hypotheses (`Sequence[str]`): (S,) translations.
            references (`Sequence[str]`, *optional*): (S,) references; of no use to a model without.

        Returns:
            `np.ndarray`: (S,) float64 scores, NaN where the model gave no finite number.

        Raises:
            InputError: The server cannot be reached, refuses the rows, answers something else than a score for each,
                or serves another model than it did at first.
        """
        scores = [np.zeros(0)]
        for start in range(0, len(sources), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            body = {"source": list(sources[rows]), "translation": list(hypotheses[rows])}
            if references is not None:
                body["reference"] = list(references[rows])
            scores.append(self._block(body))
        return np.concatenate(scores)

    def _block(self, body: dict[str, list[str]]) -> np.ndarray:
        known, count = self.description, len(body["translation"])
        reply = self._connection.post(body)
        try:
            content = json.loads(reply.text)
            served = {name: content["model"][name] for name in DESCRIBED}
            values = np.array([np.nan if score is None else float(score) for score in content["scores"]], np.float64)
        except (ValueError, LookupError, TypeError) as error:
            raise self._not_ours(reply) from error
        if served != known:
            raise InputError(
                f"COMET server {self.url}: it scored by {shown_model(known)} before and has "
                f"{shown_model(served)} now, whose scores are others; serve the first model again"
            )
        if len(values) != count:
            raise InputError(
                f"COMET server {self.url}: {len(values):,} scores for {count:,} rows; give the address of "
                "`hf-lmt serve-comet MODEL`"
            )
        return values

    @property
    def _connection(self) -> Endpoint:
        """Return the endpoint, made when it is first used: processes that are forked before share no connection."""
        if self._endpoint is None:
            self._endpoint = Endpoint(
                self.url,
                PATH,
                WORDS,
                timeout=self._timeout,
                concurrency=1,
                retries=self._retries,
                openai_key=False,
            )
        return self._endpoint

    def _not_ours(self, reply: Reply) -> InputError:
        return InputError(
            f"COMET server {self.url}: answers with something else than scores or the model's description "
            f"({reply.first_words}); give the address of `hf-lmt serve-comet MODEL`"
        )


def shown_model(description: dict[str, Any]) -> str:
    """Name a served model so that it is told from another.

    Args:
        description (`dict[str, Any]`): As `comet_server.describe_comet` returns it.

    Returns:
        `str`: Name, dtype, beginning of the fingerprint, and version.
    """
    return (
        f"{description['model']} ({description['dtype']}, fingerprint {description['fingerprint'][:12]}, "
        f"hf_lmt {description['hf_lmt']})"
    )
