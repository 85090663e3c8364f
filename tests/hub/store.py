"""What a Hub holds: repositories with commits, trees, branches and pull requests, in memory."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch

ATTRIBUTES = b"".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n".encode()
    for pattern in ("*.safetensors", "*.parquet", "*.arrow", "*.bin", "*.pt", "*.npz", "*.png")
)
ABSENT, NO_REVISION, NO_ENTRY = "RepoNotFound", "RevisionNotFound", "EntryNotFound"


class Refusal(Exception):  # noqa: N818  an answer of the server's, not a fault of its own
    """What a request is answered with in place of a result."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class Blob:
    """A file's content; a large one is known to git as a pointer to it."""

    content: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        ).encode()

    @property
    def oid(self) -> str:
        stored = self.pointer if self.large else self.content
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()  # noqa: S324

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.oid


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    date: str
    tree: dict[str, Blob]


@dataclass
class Repository:
    """Commits by id, refs ("main", other branches, "refs/pr/1") to the newest commit of each."""

    kind: str
    name: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    pull_requests: list[dict[str, str]] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def commit_of(self, revision: str) -> Commit:
        """The commit that a branch, a pull request or (the start of) an id names."""
        oid = self.refs.get(revision, revision)
        if oid not in self.commits:
            raise Refusal(404, f"Invalid rev id: {revision}", NO_REVISION)
        return self.commits[oid]

    def add(self, ref: str, title: str, tree: dict[str, Blob]) -> Commit:
        """A commit on top of `ref`, which then is the newest of it."""
        parent = self.refs.get(ref)
        listed = "".join(f"{path} {blob.oid}\n" for path, blob in sorted(tree.items()))
        text = f"{parent} {title} {len(self.commits)}\n{listed}"
        oid = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324
        self.commits[oid] = Commit(oid, parent, title, now(), dict(tree))
        self.refs[ref] = oid
        return self.commits[oid]

    def history(self, revision: str) -> list[Commit]:
        """The commits of a revision, the newest first."""
        found, commit = [], self.commit_of(revision)
        while True:
            found.append(commit)
            if commit.parent is None:
                return found
            commit = self.commits[commit.parent]

    def is_large(self, revision: str, path: str, size: int, least: int) -> bool:
        """By the patterns in the revision's .gitattributes, or by size."""
        attributes = self.commit_of(revision).tree.get(".gitattributes")
        lines = attributes.content.decode().splitlines() if attributes else []
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        return size >= least or any(fnmatch(path.split("/")[-1], one) for one in patterns)

    def open_pull_request(self, title: str, start: Commit | None = None) -> str:
        """The ref of a new pull request for "main", which begins at `start` or where that is."""
        ref = f"refs/pr/{len(self.pull_requests) + 1}"
        self.pull_requests.append({"title": title, "status": "open", "base": "main", "ref": ref})
        self.refs[ref] = (start or self.commit_of("main")).oid
        return ref


class Store:
    """All repositories of a Hub, by kind ("model", "dataset") and name."""

    def __init__(self) -> None:
        self._repositories: dict[tuple[str, str], Repository] = {}
        self._lock = threading.Lock()

    def create(self, kind: str, name: str, private: bool) -> Repository:
        with self._lock:
            if (kind, name) in self._repositories:
                raise Refusal(409, f"You already created this {kind} repo: {name}")
            made = self._repositories[kind, name] = Repository(kind, name, private)
            made.add("main", "initial commit", {".gitattributes": Blob(ATTRIBUTES, False)})
            return made

    def delete(self, kind: str, name: str) -> None:
        with self._lock:
            if self._repositories.pop((kind, name), None) is None:
                raise Refusal(404, "Repository not found", ABSENT)

    def find(self, kind: str, name: str) -> Repository:
        found = self._repositories.get((kind, name))
        if found is None:
            raise Refusal(404, "Repository not found", ABSENT)
        return found


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
