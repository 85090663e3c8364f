"""The server: connections, tokens, routes and faults.

Speaks what huggingface_hub 2.4 and datasets 5.2 ask of the Hub, without Xet: clients need
HF_HUB_DISABLE_XET=1 beside HF_ENDPOINT.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from hub import information, transfers
from hub.faults import Fault, Faults
from hub.requests_in import Answer, Request, refused
from hub.store import Refusal, Repository, Store

REPOSITORY = r"(?P<kinds>models|datasets)/(?P<name>[^/]+/[^/]+)"
API = rf"/api/{REPOSITORY}"
PAGE = r"/((?P<kinds>datasets)/)?(?P<name>[^/]+/[^/]+)"
REVISION = r"(?P<revision>refs%2F[^/]+|refs/(?:pr|convert)/[^/]+|[^/]+)"
LARGE = rf"/large/{REPOSITORY}/(?P<oid>[0-9a-f]{{64}})"
ROUTES: list[tuple[str, str, Callable[[Request], Answer]]] = [
    ("GET", "/api/whoami-v2", information.whoami),
    ("POST", "/api/validate-yaml", information.validate_yaml),
    ("POST", "/api/repos/create", information.create_repository),
    ("DELETE", "/api/repos/delete", information.delete_repository),
    ("PUT", rf"{API}/settings", information.settings),
    ("GET", rf"{API}(/revision/{REVISION})?", information.describe),
    ("GET", rf"{API}/tree/{REVISION}(/(?P<path>.+))?", information.tree),
    ("POST", rf"{API}/paths-info/{REVISION}", information.paths_info),
    ("GET", rf"{API}/refs", information.refs),
    ("GET", rf"{API}/commits/{REVISION}", information.commits),
    ("GET", rf"{API}/discussions", information.discussions),
    ("POST", rf"{API}/discussions", information.open_discussion),
    ("GET", rf"{API}/discussions/(?P<number>\d+)", information.discussion),
    ("POST", rf"{API}/discussions/(?P<number>\d+)/merge", information.merge),
    ("POST", rf"{API}/branch/{REVISION}", information.create_branch),
    ("DELETE", rf"{API}/branch/{REVISION}", information.delete_branch),
    ("POST", rf"{API}/preupload/{REVISION}", transfers.preupload),
    ("POST", rf"{API}/commit/{REVISION}", transfers.commit),
    ("POST", rf"{PAGE}\.git/info/lfs/objects/batch", transfers.batch),
    ("PUT", rf"{LARGE}(/(?P<part>\d+))?", transfers.put_large),
    ("POST", LARGE, transfers.complete_large),
    ("POST", rf"{LARGE}/verify", transfers.verify_large),
    ("GET", LARGE, transfers.get_large),
    ("GET", rf"{PAGE}/resolve/{REVISION}/(?P<path>.+)", transfers.resolve),
]


class HubServer(ThreadingHTTPServer):
    """A Hub for one user, "ada", and whoever else has a token.

    Attributes:
        store: what it holds. faults: what it will do wrong.
        tokens: token -> user. readers: users whose token may only read. organizations: namespaces
            that every user may write to.
        large_size, part_size, largest: bytes from which a file is large, of a part of an upload,
            and of the largest file or commit.
        page: entries of a tree that are listed at once.
        seen: "METHOD /path" of every request, and the bytes of its body that arrived.
    """

    daemon_threads = True
    token = "hf_" + "AdasOwnTokenForTheLoopbackHub0"  # opens nothing but this

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store, self.faults = Store(), Faults()
        self.tokens, self.readers = {self.token: "ada"}, set[str]()
        self.organizations = {"org"}
        self.large_size, self.part_size, self.largest = 10_000_000, 50_000_000, 1_000_000_000
        self.page = 1000
        self.parts: dict[tuple[str, int], bytes] = {}
        self.seen: list[tuple[str, int]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def other_address(self) -> str:
        """The same server by a name that is another host to the clients."""
        return f"http://localhost:{self.server_address[1]}"

    def page_of(self, repository: Repository) -> str:
        kinds = "" if repository.kind == "model" else f"{repository.kind}s/"
        return f"{self.address}/{kinds}{repository.name}"

    def fault(self, where: str, **how: object) -> Fault:
        """Add a fault; see `Fault`."""
        return self.faults.add(Fault(where, **how))  # type: ignore[arg-type]

    def asked(self, pattern: str) -> list[tuple[str, int]]:
        """The requests so far whose "METHOD /path" has `pattern` in it."""
        return [one for one in list(self.seen) if re.search(pattern, one[0])]

    def files(self, kind: str, name: str, revision: str = "main") -> dict[str, bytes]:
        """What a revision holds, without the .gitattributes that every repository begins with."""
        tree = self.store.find(kind, name).commit_of(revision).tree
        return {path: blob.content for path, blob in tree.items() if path != ".gitattributes"}

    def titles(self, kind: str, name: str, revision: str = "main") -> list[str]:
        """The titles of a revision's commits, the newest first, without the initial one."""
        return [one.title for one in self.store.find(kind, name).history(revision)][:-1]

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def _handle(self) -> None:
        place = urlsplit(self.path)
        named = f"{self.command} {unquote(place.path)}"
        fault = self.server.faults.next_for(named)
        if fault is not None and fault.wait is not None:
            fault.wait.wait(60)
        body = self._read(None if fault is None else fault.cut)
        self.server.seen.append((named, len(body)))
        if fault is not None and fault.cut is not None:
            return self._close()
        if fault is not None and fault.status is not None and not fault.after_done:
            return self._send(_told(fault), None)
        query = dict(parse_qsl(place.query))
        answer = self._answer(Request(self.server, self.command, place.path, query, self.headers, body, None))
        if fault is not None and fault.status is not None:
            answer = _told(fault)
        self._send(answer, None if fault is None else fault.cut_answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def _answer(self, request: Request) -> Answer:
        try:
            request.user = self._user()
            method = "GET" if request.method == "HEAD" else request.method
            for wanted, pattern, function in ROUTES:
                found = re.fullmatch(pattern, request.path)
                if wanted == method and found:
                    values = found.groupdict().items()
                    request.values = {name: unquote(value) for name, value in values if value}
                    return function(request)
            raise Refusal(404, f"Sorry, we can't find the page {request.path}")
        except Refusal as refusal:
            return refused(refusal)

    def _user(self) -> str | None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in self.server.tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.server.tokens.get(given)

    def _read(self, cut: int | None) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            return self._read_chunks(cut)
        length = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(length if cut is None else min(cut, length))

    def _read_chunks(self, cut: int | None) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
            if cut is not None and len(body) >= cut:
                return body
        self.rfile.readline()
        return body

    def _close(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, answer: Answer, cut: int | None) -> None:
        self.send_response(answer.status)
        length = {"Content-Length": str(len(answer.body))}
        for name, value in (length | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:cut])
        if cut is not None and cut < len(answer.body):
            self._close()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def _told(fault: Fault) -> Answer:
    answer = refused(Refusal(fault.status or 500, fault.message))
    answer.headers |= fault.headers
    return answer
