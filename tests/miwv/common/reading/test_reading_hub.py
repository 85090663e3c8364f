"""Hub data sets -> rows: a small Hub on the loopback, read in another process, as its address is set at import."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.miwv.common.reading.readable_rows import (
    TWO_CONFIGS,
    cache,  # noqa: F401
    lines,
    write,
)

COMMIT = "c0ffee" + "0" * 34
REPOSITORIES = {
    "me/fine": {"README.md": "A card.", "train.jsonl": lines()},
    "me/two": TWO_CONFIGS,
    "me/script": {"README.md": "", "script.py": ""},
    "me/bare": {"README.md": "A card."},
    "me/broken": {"README.md": "", "train.jsonl": "{x\n"},
}
REFUSED = {
    "me/missing": (404, "RepoNotFound"),
    "me/private": (401, "RepoNotFound"),
    "me/gated": (401, "GatedRepo"),
    "me/asked": (403, "GatedRepo"),
    "me/forbidden": (403, ""),
    "single": (404, "RepoNotFound"),
}


class SmallHub(BaseHTTPRequestHandler):
    """What of the Hub's interface reading a data set needs."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        name = "/".join(path.removeprefix("/api").split("/")[2:4])
        for refused in (name, name.partition("/")[0]):
            if refused in REFUSED:
                status, code = REFUSED[refused]
                return self.answer(status, "{}", code)
        files = REPOSITORIES.get(name, {})
        if "/resolve/" in path:
            revision, file = path.partition("/resolve/")[2].split("/", 1)
            if revision not in ("main", COMMIT):
                return self.answer(404, "", "RevisionNotFound")
            return self.answer(200, files[file]) if file in files else self.no_entry()
        if "/tree/" in path:
            entries = [self.entry(name, file) for file in files]
            return self.answer(200, json.dumps(entries)) if path.endswith(COMMIT) else self.no_entry()
        names = [{"rfilename": file} for file in files]
        return self.answer(200, json.dumps({"id": name, "sha": COMMIT, "siblings": names}))

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self):
        name = "/".join(self.path.split("/")[3:5])
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        entries = [self.entry(name, file) for file in REPOSITORIES[name] if file in asked]
        self.answer(200, json.dumps(entries))

    def entry(self, name, file):
        size = len(REPOSITORIES[name][file].encode())
        return {"type": "file", "path": file, "size": size, "oid": "0" * 40}

    def no_entry(self):
        self.answer(404, "{}", "EntryNotFound")

    def answer(self, status, body, code=""):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hash(body):x}"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


READ_ALL = """
import json, sys
from hf_miwv.common.reading.reading import InputError, read_dataset
from hf_miwv.common.reading.source import Source
from hf_miwv.rows.streaming import open_stream
for line in sys.stdin:
    source, options = json.loads(line)
    try:
        limit = options.pop("limit", None)
        source = Source.parse(source, **options)
        rows = open_stream(source, limit=limit)[0] if limit else read_dataset(source)
        print(json.dumps(len(list(rows))))
    except InputError as error:
        print(json.dumps(str(error)))
"""
TOKEN = "hf_neverprintthis"
HUB_CASES = [
    ("me/fine", {}, 10),
    ("me/fine", {"split": "train[:4]", "revision": COMMIT}, 4),
    ("me/two", {"config": "second"}, 10),
    ("me/fine", {"split": "test"}, ["me/fine: has no split 'test'; known: train"]),
    ("me/fine", {"revision": "v9"}, ["has no revision 'v9'"]),
    ("me/two", {}, ["several configurations", "--config: first, second"]),
    ("me/two", {"config": "frist"}, ["no configuration 'frist'", "did you mean 'first'?"]),
    ("me/script", {}, ["loading script", "--revision refs/convert/parquet"]),
    ("me/bare", {}, ["holds no data files"]),
    ("me/broken", {}, ["me/broken@c0ffee", "train.jsonl:1: not valid JSON (Expecting property"]),
    ("me/missing", {}, ["no such data set on the Hub", "hf auth login"]),
    ("me/private", {}, ["or it is private", "hf auth login"]),
    ("me/gated", {}, ["is gated", "/datasets/me/gated", "hf auth login"]),
    ("me/asked", {}, ["is gated", "/datasets/me/asked"]),
    ("me/forbidden", {}, ["refuses access (status 403)"]),
    ("single", {}, ["no such data set on the Hub"]),
    ("-not an id-", {}, ["cannot be the id", "OWNER/NAME"]),
    ("me/fine", {"limit": 4}, 4),
    ("me/fine", {"limit": 99, "revision": COMMIT, "split": "train"}, 10),
    ("me/two", {"limit": 99, "config": "second"}, 10),
    ("me/two", {"limit": 9, "config": "frist"}, ["no configuration 'frist'", "'first'?"]),
    ("me/fine", {"limit": 9, "revision": "v9"}, ["has no revision 'v9'"]),
    ("me/gated", {"limit": 9}, ["is gated", "/datasets/me/gated", "hf auth login"]),
    ("me/missing", {"limit": 9}, ["no such data set on the Hub", "hf auth login"]),
]


def read_in_process(cases, folder, **environment):
    """A process that prints the number of rows, or the message, for each case."""
    questions = "".join(json.dumps([source, options]) + "\n" for source, options, _ in cases)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment = inherited | {"HF_HOME": str(folder), "HF_TOKEN": TOKEN} | environment
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input=questions,
        env=environment,
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done


def answers(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def hub_answers(tmp_path_factory):
    server = ThreadingHTTPServer(("127.0.0.1", 0), SmallHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("hub")
    address = f"http://127.0.0.1:{server.server_port}"
    yield answers(read_in_process(HUB_CASES, folder, HF_ENDPOINT=address))
    server.shutdown()


@pytest.mark.parametrize("number", range(len(HUB_CASES)), ids=lambda n: str(HUB_CASES[n][:2]))
def test_hub(number, hub_answers):
    expected, answer = HUB_CASES[number][2], hub_answers[number]
    if isinstance(expected, int):
        assert answer == expected
    else:
        assert [part for part in expected if part not in str(answer)] == []


def test_hub_offline(tmp_path):
    cases = [("me/fine", {}, None), ("single", {"config": "x"}, None)]
    for answer in answers(read_in_process(cases, tmp_path, HF_HUB_OFFLINE="1")):
        assert "HF_HUB_OFFLINE forbids fetching it" in answer


@pytest.mark.slow
def test_hub_unreachable(tmp_path):
    done = read_in_process([("me/fine", {}, None)], tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "the Hub at http://127.0.0.1:9 cannot be reached" in done.stdout


def test_the_library_does_not_log_what_our_message_says(tmp_path):
    path = write(tmp_path / "a.parquet", "junk")
    done = read_in_process([(str(path), {}, None)], tmp_path)
    assert "cannot be read as parquet" in done.stdout
    assert "Failed to" not in done.stderr
