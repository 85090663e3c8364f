"""A request as the server's parts see it, what they answer, and who may do what."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.store import ABSENT, Refusal, Repository

if TYPE_CHECKING:
    from hub.server import HubServer

KINDS = {"models": "model", "datasets": "dataset"}


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """`user`: whose token came with it, None without one. `values`: of the route's pattern."""

    hub: HubServer
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes
    user: str | None
    values: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def repository(self) -> Repository:
        """The one that the path names, where the user may read it; else as if there were none."""
        found = self.hub.store.find(self.kind, self.values["name"])
        if found.private and not self.may_write():
            status = 401 if self.user is None else 404
            raise Refusal(status, "Repository not found", ABSENT)
        return found

    @property
    def kind(self) -> str:
        return KINDS[self.values.get("kinds") or "models"]

    def may_write(self) -> bool:
        owner = self.values["name"].split("/")[0]
        return self.user is not None and owner in {self.user, *self.hub.organizations}

    def need_write(self) -> None:
        if self.user is None:
            raise Refusal(401, "Invalid username or password.")
        if self.user in self.hub.readers or not self.may_write():
            raise Refusal(403, "Forbidden: you don't have the required permissions")


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    content = json.dumps(value).encode()
    return Answer(status, content, {"Content-Type": "application/json", **named})


def refused(refusal: Refusal) -> Answer:
    """As the Hub refuses: a status, words in header and body, and where there is one a code."""
    answer = as_json({"error": refusal.message}, refusal.status)
    answer.headers["X-Error-Message"] = refusal.message
    if refusal.code:
        answer.headers["X-Error-Code"] = refusal.code
    return answer
