"""The routes that move files: uploads of large ones, commits, and downloads."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from hub.cards import check_card
from hub.requests_in import Answer, Request, as_json
from hub.store import NO_ENTRY, Blob, Refusal, Repository

CHANGED = "A commit has happened since. Please refresh and try again."


def preupload(request: Request) -> Answer:
    """For each file whether it is large, and the id of what is in its place now."""
    _need_commit(request)
    repository, revision = request.repository(), request.values["revision"]
    tree, found = repository.commit_of(revision).tree, []
    for file in request.json()["files"]:
        large = repository.is_large(revision, file["path"], file["size"], request.hub.large_size)
        entry = {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        if file["path"] in tree:
            entry["oid"] = tree[file["path"]].etag
        found.append(entry)
    return as_json({"files": found})


def batch(request: Request) -> Answer:
    """Where to send large files; none for what is here already."""
    _need_commit(request)
    repository, given = request.repository(), request.json()
    place = f"{request.hub.address}/large/{request.values.get('kinds') or 'models'}/{repository.name}"
    part, found, transfer = request.hub.part_size, [], "basic"
    for item in given["objects"]:
        entry: dict[str, Any] = {"oid": item["oid"], "size": item["size"]}
        found.append(entry)
        if item["size"] > request.hub.largest:
            entry["error"] = {"code": 413, "message": f"File too large: {item['size']} bytes"}
        elif item["oid"] not in repository.large:
            url, header = f"{place}/{item['oid']}", {}
            if item["size"] > part and "multipart" in given.get("transfers", []):
                transfer = "multipart"
                header = {"chunk_size": str(part)}
                header |= {str(number + 1): f"{url}/{number + 1}" for number in range(-(-item["size"] // part))}
            entry["actions"] = {
                "upload": {"href": url, "header": header},
                "verify": {"href": f"{url}/verify", "header": {}},
            }
    return as_json({"transfer": transfer, "objects": found})


def put_large(request: Request) -> Answer:
    """A whole large file, or a part of one; what does not match its name is not kept."""
    repository, oid = _storage(request), request.values["oid"]
    if number := request.values.get("part"):
        request.hub.parts[oid, int(number)] = request.body
        return Answer(headers={"ETag": f'"{hashlib.sha256(request.body).hexdigest()}"'})
    return _keep(repository, oid, request.body)


def complete_large(request: Request) -> Answer:
    """All parts of a large file as one."""
    repository, oid, content = _storage(request), request.values["oid"], b""
    for part in request.json()["parts"]:
        own = request.hub.parts.get((oid, part["partNumber"]), b"")
        if part["etag"].strip('"') != hashlib.sha256(own).hexdigest():
            raise Refusal(400, f"part {part['partNumber']} is not what was sent")
        content += own
    return _keep(repository, oid, content)


def _keep(repository: Repository, oid: str, content: bytes) -> Answer:
    if hashlib.sha256(content).hexdigest() != oid:
        raise Refusal(400, "The SHA-256 you specified did not match what we received")
    repository.large[oid] = content
    return Answer(headers={"ETag": f'"{oid}"'})


def verify_large(request: Request) -> Answer:
    repository, given = _storage(request), request.json()
    if len(repository.large.get(given["oid"], b"")) != given["size"]:
        raise Refusal(404, "The object was not found")
    return as_json({})


def _storage(request: Request) -> Repository:
    """Where large files lie: like the real one it knows nothing of users, only of its URLs."""
    return request.hub.store.find(request.kind, request.values["name"])


def commit(request: Request) -> Answer:
    """All operations of a request as one commit, or none of them."""
    _need_commit(request)
    if len(request.body) > request.hub.largest:
        raise Refusal(413, "Payload Too Large")
    repository, ref = request.repository(), request.values["revision"]
    lines = [json.loads(line) for line in request.body.splitlines() if line]
    header, operations = lines[0]["value"], lines[1:]
    asked, parent = request.query.get("create_pr") == "1", header.get("parentCommit")
    with repository.lock:
        base = repository.commit_of(ref)
        if asked and parent:  # a pull request begins where it says
            base = repository.commit_of(parent)
        elif parent not in (None, base.oid):
            raise Refusal(412, CHANGED)
        if ref not in repository.refs:
            raise Refusal(400, f"{ref} is a commit and no branch")
        changed = dict(base.tree)
        for operation in operations:
            _apply(repository, changed, operation["key"], operation["value"])
        if asked:
            ref = repository.open_pull_request(header["summary"], base)
        made = repository.add(ref, header["summary"], changed)
    place = request.hub.page_of(repository)
    return as_json(
        {
            "success": True,
            "commitOid": made.oid,
            "commitUrl": f"{place}/commit/{made.oid}",
            "hookOutput": "",
            "pullRequestUrl": f"{place}/discussions/{ref.split('/')[-1]}" if asked else None,
        }
    )


def _apply(repository: Repository, tree: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if key == "file":
        tree[path] = Blob(base64.b64decode(value["content"]), False)
        if path == "README.md":
            errors, _ = check_card(tree[path].content.decode(), repository.kind)
            if errors:
                raise Refusal(400, "; ".join(errors))
    elif key == "lfsFile":
        if value["oid"] not in repository.large:
            raise Refusal(400, f"{path}: the pointer points to a file that does not exist")
        tree[path] = Blob(repository.large[value["oid"]], True)
    elif key == "deletedFile":
        if tree.pop(path, None) is None:
            raise Refusal(404, f"A file with this name doesn't exist: {path}", NO_ENTRY)
    elif key == "deletedFolder":
        for one in [one for one in tree if one.startswith(path.rstrip("/") + "/")]:
            del tree[one]
    else:
        raise Refusal(400, f"unknown operation {key}")


def _need_commit(request: Request) -> None:
    """A pull request may come from anybody who may read; a commit needs the right to write."""
    if request.user is None:
        raise Refusal(401, "Invalid username or password.")
    if request.query.get("create_pr") != "1" and not _for_pull_request(request):
        request.need_write()


def _for_pull_request(request: Request) -> bool:
    """A batch names no revision where it is for a pull request."""
    return request.path.endswith("/objects/batch") and "ref" not in request.json()


def resolve(request: Request) -> Answer:
    """A file: a small one as it is, a large one by way of another host without any token."""
    repository = request.repository()
    found = repository.commit_of(request.values["revision"])
    path = request.values["path"]
    if path not in found.tree:
        raise Refusal(404, "Entry not found", NO_ENTRY)
    blob = found.tree[path]
    headers = {"X-Repo-Commit": found.oid, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
    if not blob.large:
        return _ranged(request, blob.content, headers)
    place = f"{request.hub.other_address}/large/{request.values.get('kinds') or 'models'}"
    headers |= {
        "X-Linked-Size": str(len(blob.content)),
        "X-Linked-ETag": f'"{blob.sha256}"',
        "Location": f"{place}/{repository.name}/{blob.sha256}",
    }
    return Answer(302, b"", headers)


def get_large(request: Request) -> Answer:
    if "Authorization" in request.headers:
        raise Refusal(400, "a token was sent to the storage, which must not see it")
    content = _storage(request).large.get(request.values["oid"])
    if content is None:
        raise Refusal(404, "The object was not found", NO_ENTRY)
    etag = f'"{request.values["oid"]}"'
    return _ranged(request, content, {"ETag": etag, "Accept-Ranges": "bytes"})


def _ranged(request: Request, content: bytes, headers: dict[str, str]) -> Answer:
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if not asked:
        return Answer(200, content, headers)
    first, last = asked.groups()
    start = int(first) if first else max(0, len(content) - int(last))
    end = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= len(content):
        raise Refusal(416, f"the file ends at {len(content)}")
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Answer(206, content[start:end], headers)
