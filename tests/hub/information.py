"""The routes that say what there is: who one is, repositories, trees, commits, pull requests."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode

from hub.cards import check_card
from hub.requests_in import Answer, Request, as_json
from hub.store import Blob, Refusal, Repository


def whoami(request: Request) -> Answer:
    if request.user is None:
        raise Refusal(401, "Invalid username or password.")
    role = "read" if request.user in request.hub.readers else "write"
    token = {"displayName": "test", "role": role}
    return as_json(
        {"type": "user", "name": request.user, "orgs": [], "auth": {"type": "access_token", "accessToken": token}}
    )


def validate_yaml(request: Request) -> Answer:
    given = request.json()
    errors, warnings = check_card(given["content"], given["repoType"])
    body: dict[str, Any] = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    if errors:
        body["error"] = "Invalid metadata in README.md"
    return as_json(body, 400 if errors else 200)


def create_repository(request: Request) -> Answer:
    given = request.json()
    kind, owner = given.get("type") or "model", given.get("organization") or request.user
    name = f"{owner}/{given['name']}"
    request.values["name"] = name
    request.need_write()
    url = f"{request.hub.address}/{'' if kind == 'model' else kind + 's/'}{name}"
    try:
        request.hub.store.create(kind, name, given.get("visibility") == "private")
    except Refusal as refusal:
        return as_json({"error": refusal.message, "url": url}, refusal.status)
    return as_json({"url": url, "name": name})


def delete_repository(request: Request) -> Answer:
    given = request.json()
    request.values["name"] = f"{given.get('organization') or request.user}/{given['name']}"
    request.need_write()
    request.hub.store.delete(given.get("type") or "model", request.values["name"])
    return as_json({})


def settings(request: Request) -> Answer:
    request.need_write()
    given = request.json()
    request.repository().private = given.get("visibility", "public") == "private"
    return as_json({})


def describe(request: Request) -> Answer:
    repository = request.repository()
    commit = repository.commit_of(request.values.get("revision") or "main")
    siblings: list[dict[str, Any]] = [{"rfilename": path} for path in sorted(commit.tree)]
    if request.query.get("blobs"):
        for sibling in siblings:
            listed = _file(sibling["rfilename"], commit.tree[sibling["rfilename"]])
            sibling |= {"size": listed["size"], "blobId": listed["oid"]}
            if "lfs" in listed:
                sibling["lfs"] = {**listed["lfs"], "sha256": listed["lfs"]["oid"]}
    return as_json(
        {
            "id": repository.name,
            "author": repository.name.split("/")[0],
            "sha": commit.oid,
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": commit.date,
            "createdAt": commit.date,
            "siblings": siblings,
        }
    )


def tree(request: Request) -> Answer:
    """A page of the files and folders, as many as the server's `page`; the rest behind a link."""
    commit = request.repository().commit_of(request.values["revision"])
    folder = (request.values.get("path") or "").strip("/")
    inside = {path: blob for path, blob in commit.tree.items() if not folder or path.startswith(folder + "/")}
    if folder and not inside:
        raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
    entries = _entries(inside, folder, request.query.get("recursive", "").lower() == "true")
    start, page = int(request.query.get("cursor", 0)), request.hub.page
    answer = as_json(entries[start : start + page])
    if start + page < len(entries):
        following = urlencode({**request.query, "cursor": start + page})
        url = f"{request.hub.address}{request.path}?{following}"
        answer.headers["Link"] = f'<{url}>; rel="next"'
    return answer


def _entries(files: dict[str, Blob], folder: str, recursive: bool) -> list[dict[str, Any]]:
    depth = folder.count("/") + 1 if folder else 0
    entries: dict[str, dict[str, Any]] = {}
    for path, blob in sorted(files.items()):
        parts = path.split("/")
        for end in range(depth + 1, len(parts) if recursive else min(depth + 2, len(parts))):
            above = "/".join(parts[:end])
            entries[above] = _folder(above)
        if recursive or len(parts) == depth + 1:
            entries[path] = _file(path, blob)
    return list(entries.values())


def _folder(path: str) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode()).hexdigest()  # noqa: S324
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def _file(path: str, blob: Blob) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "file", "oid": blob.oid, "size": len(blob.content), "path": path}
    if blob.large:
        found["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": len(blob.pointer)}
    return found


def paths_info(request: Request) -> Answer:
    commit = request.repository().commit_of(request.values["revision"])
    found = []
    for path in parse_qs(request.body.decode()).get("paths", []):
        path = path.strip("/")
        if path in commit.tree:
            found.append(_file(path, commit.tree[path]))
        elif any(one.startswith(path + "/") for one in commit.tree):
            found.append(_folder(path))
    return as_json(found)


def refs(request: Request) -> Answer:
    repository = request.repository()
    found: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": []}
    requests: list[dict[str, str]] = []
    for name, oid in repository.refs.items():
        if name.startswith("refs/pr/"):
            requests.append({"name": name, "ref": name, "targetCommit": oid})
        else:
            found["branches"].append({"name": name, "ref": f"refs/heads/{name}", "targetCommit": oid})
    return as_json(found | ({"pullRequests": requests} if "include_prs" in request.query else {}))


def commits(request: Request) -> Answer:
    return as_json(
        [
            {"id": one.oid, "title": one.title, "message": "", "date": one.date, "authors": []}
            for one in request.repository().history(request.values["revision"])
        ]
    )


def discussions(request: Request) -> Answer:
    repository = request.repository()
    found = [_discussion(repository, number) for number in range(1, len(repository.pull_requests) + 1)]
    return as_json({"discussions": found, "count": len(found), "start": 0})


def discussion(request: Request) -> Answer:
    repository, number = request.repository(), int(request.values["number"])
    if not 0 < number <= len(repository.pull_requests):
        raise Refusal(404, "Discussion not found")
    own = repository.pull_requests[number - 1]
    return as_json(
        _discussion(repository, number)
        | {
            "events": [],
            "filesWithConflicts": [],
            "diff": "",
            "changes": {"base": f"refs/heads/{own['base']}", "mergeCommitId": own.get("merged")},
        }
    )


def open_discussion(request: Request) -> Answer:
    if request.user is None:
        raise Refusal(401, "Invalid username or password.")
    repository = request.repository()
    with repository.lock:
        repository.open_pull_request(request.json()["title"])
    return as_json({"num": len(repository.pull_requests)})


def merge(request: Request) -> Answer:
    request.need_write()
    repository = request.repository()
    with repository.lock:
        own = repository.pull_requests[int(request.values["number"]) - 1]
        merged = repository.add(own["base"], own["title"], repository.commit_of(own["ref"]).tree)
        own |= {"status": "merged", "merged": merged.oid}
    return as_json({})


def _discussion(repository: Repository, number: int) -> dict[str, Any]:
    own = repository.pull_requests[number - 1]
    return {
        "num": number,
        "title": own["title"],
        "status": own["status"],
        "isPullRequest": True,
        "createdAt": repository.commit_of(own["base"]).date,
        "author": {"name": repository.name.split("/")[0]},
        "repo": {"name": repository.name, "type": repository.kind},
    }


def create_branch(request: Request) -> Answer:
    request.need_write()
    repository, name = request.repository(), request.values["revision"]
    with repository.lock:
        if name in repository.refs:
            raise Refusal(409, f"Reference already exists: {name}")
        if name.startswith("refs/"):
            raise Refusal(400, f"Invalid reference for a branch: {name}")
        start = request.json().get("startingPoint") or "main"
        repository.refs[name] = repository.commit_of(start).oid
    return as_json({})


def delete_branch(request: Request) -> Answer:
    request.need_write()
    if request.repository().refs.pop(request.values["revision"], None) is None:
        raise Refusal(404, "Reference does not exist", "RevisionNotFound")
    return as_json({})
