"""DATA -> rows: files, folders and Hub data sets that can be read, and the messages for others."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from tiny import zipped

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.diagnosis import reason
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source

ROWS = [{"instruction": f"Say {number}", "input": "", "output": f"{number}\u00e9"} for number in range(10)]
CARD = """---
configs:
- config_name: first
  data_files: [{{split: train, path: "{first}"}}]
- config_name: second
  data_files: [{{split: train, path: "{second}"}}]
---
"""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    datasets = pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", folder / "downloads")
    monkeypatch.setattr(datasets.config, "EXTRACTED_DATASETS_PATH", folder / "extracted")


def lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows)


def with_ids(index, value):
    """The rows with a column of texts, and another kind of value in one of them."""
    return [{**row, "id": value if number == index else "x"} for number, row in enumerate(ROWS)]


def changed(number, **fields):
    return [row | fields if index == number else row for index, row in enumerate(ROWS)]


def comma_separated(delimiter=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue()


def parquet(rows=ROWS):
    from datasets import Dataset

    file = io.BytesIO()
    Dataset.from_list(rows).to_parquet(file)
    return file.getvalue()


def arrow(folder):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(folder / "saved for its arrow"))
    return next((folder / "saved for its arrow").glob("*.arrow")).read_bytes()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path, **options):
    with pytest.raises(InputError) as error:
        read_dataset(Source.parse(path, **options))
    return str(error.value)


# Files that can be read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ROWS)),
        ("a.json", json.dumps(ROWS, indent=2)),
        ("a.json", "\n " + json.dumps(ROWS)),
        ("a.json", "\ufeff" + json.dumps(ROWS)),
        ("a.json", lines()),
        ("a.json.gz", zipped(json.dumps(ROWS))),
        ("a.jsonl", lines()),
        ("A.JSONL", lines()),
        ("a.jsonl", "\ufeff" + lines()),
        ("a.jsonl", "\n" + lines().replace("\n", "\r\n\r\n")),
        ("a.jsonl", lines()[:-1]),
        ("a.jsonl", json.dumps(ROWS)),
        ("a[1] b*.jsonl", lines()),
        ("a.ndjson", lines()),
        ("a.jsonl.gz", zipped(lines())),
        ("a.csv", comma_separated()),
        ("a.csv", "\ufeff" + comma_separated()),
        ("a.csv.gz", zipped(comma_separated())),
        ("a.tsv", comma_separated("\t")),
        ("a.parquet", parquet),
        ("a.arrow", arrow),
    ],
)
def test_files_give_all_rows_in_order(name, content, tmp_path):
    if callable(content):
        content = content() if content is parquet else content(tmp_path)
    assert list(read_dataset(write(tmp_path / name, content))) == ROWS


def test_csv_cells_are_text(tmp_path):
    text = 'instruction,,output,output\nAdd,1.50,1,"a, ""b""\nc"\nNA,,02,\n'
    assert list(read_dataset(write(tmp_path / "a.csv", text))) == [
        {"instruction": "Add", "Unnamed: 1": "1.50", "output": "1", "output.1": 'a, "b"\nc'},
        {"instruction": "NA", "Unnamed: 1": "", "output": "02", "output.1": ""},
    ]


def test_json_text_that_looks_like_dates_stays_text(tmp_path):
    rows = [{"id": 1, "output": "2024-01-01"}, {"id": 2}, {"id": 3, "output": "2024-01-02"}]
    dataset = read_dataset(write(tmp_path / "a.jsonl", lines(rows)))
    assert dataset["output"][:] == ["2024-01-01", None, "2024-01-02"]
    assert dataset["id"][:] == [1, 2, 3]


def test_json_null_and_missing_values_are_kept(tmp_path):
    rows = [{"prompt": "a", "tags": ["x"]}, {"prompt": None}, {"prompt": "b", "tags": []}]
    dataset = read_dataset(write(tmp_path / "a.jsonl", lines(rows)))
    assert list(dataset) == [rows[0], {"prompt": None, "tags": None}, rows[2]]


def test_a_changed_file_is_read_again(tmp_path):
    read_dataset(write(tmp_path / "a.jsonl", lines()))
    os.utime(write(tmp_path / "a.jsonl", lines(ROWS[:3])), (1, 1))
    assert list(read_dataset(tmp_path / "a.jsonl")) == ROWS[:3]


# Files that cannot


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("a.jsonl", lines()[:-3], ["a.jsonl:10: not valid JSON (", "one whole object per line"]),
        ("a.jsonl", lines(ROWS[:4]) + '{"output": }\n', [":5: not valid JSON (Expecting value"]),
        ("a.jsonl", lines(ROWS[:1])[:-1] + lines(), [":1: not valid JSON (Extra data"]),
        ("a.jsonl", lines() + '["a"]\n', [":11: row 10: a row must be an object", "found a list"]),
        ("a.jsonl", lines(ROWS[:2]) + "\nnull\n" + lines(), [":4: row 2:", "found null"]),
        ("a.jsonl", '["a"]\n' + lines(), [":1: row 0: a row must be an object"]),
        (
            "a.jsonl",
            lines(with_ids(7, 3)),
            [":8: row 7: column 'id' is a number (3), but a string in row 0", "one type"],
        ),
        ("a.jsonl", lines(with_ids(7, ["x"])), ["row 7: column 'id' is a list"]),
        ("a.jsonl", lines(with_ids(0, True)), ["row 1: column 'id' is a string", "but a boolean in row 0"]),
        ("a.jsonl", lines() + '{"output": "\\ud83d"}\n', ["row 10: \\ud83d is half a character"]),
        ("a.jsonl", '{"output": "a", "output": "b"}\n', ["row 0: the key 'output' is given twice"]),
        (
            "a.jsonl",
            lines().encode() + b'{"output": "\xe9"}\n',
            ["a.jsonl:11: not UTF-8 (byte 0xe9 at offset ", "save it as UTF-8"],
        ),
        ("a.jsonl", lines().encode("utf-16"), ["a.jsonl:1: not UTF-8 (byte 0xff at offset 0)"]),
        ("a.jsonl", b"", ["the file is empty"]),
        ("a.jsonl", b"\n\n", ["holds no rows"]),
        ("a.jsonl", b"{}\n{}\n", ["holds no rows"]),
        ("a.json", b"[]", ["holds no rows"]),
        ("a.json", json.dumps(ROWS, indent=1)[:-12], ["a.json:50:13: not valid JSON (Untermi"]),
        ("a.json", json.dumps(ROWS, indent=1).replace(",", ";", 1), ["a.json:3:25: not valid"]),
        ("a.json", json.dumps(with_ids(7, 3)), ["a.json: row 7: column 'id' is a num"]),
        ("a.json", '["a", "b"]', ["a.json: row 0: a row must be an object", "found a string"]),
        ("a.json", b'[\n {"output": "\xe9"}]', ["a.json:2: not UTF-8 (byte 0xe9 at offset 15)"]),
        ("a.jsonl.gz", zipped(lines())[:-20], ["damaged gzip file (Compressed"]),
        ("a.jsonl.gz", lines(), ["damaged gzip file (Not a gzipped file"]),
        ("a.csv.gz", zipped(np.random.default_rng(0).bytes(999).hex())[:-9], ["damaged gzip file"]),
        ("a.csv", "", ["the file is empty"]),
        ("a.csv", "prompt,completion\n", ["holds no rows"]),
        ("a.csv", "prompt,completion\na,b,c\nd,e,f\n", ["row 0 has more cells", "(prompt, compl"]),
        ("a.csv", "prompt,completion\na,b\nc,d,e\n", ["Expected 2 fields in line 3, saw 3"]),
        ("a.csv", 'prompt,completion\na,"b\nc,d\n', ["EOF inside string", "check the quotes"]),
        ("a.csv", b"prompt,completion\na,b\n\xe9,d\n", ["a.csv:3: not UTF-8 (byte 0xe9 at offset"]),
        ("a.parquet", b"", ["the file is empty"]),
        ("a.parquet", b"junk" * 99, ["cannot be read as parquet", "magic bytes", "is damaged"]),
        ("a.parquet", lambda: parquet()[:-50], ["cannot be read as parquet", "fetch it again"]),
        ("a.parquet", lambda: parquet([]), ["holds no rows"]),
        ("a.arrow", b"junk" * 99, ["cannot be read as arrow", "Not an Arrow file"]),
        ("a.txt", "hello", ["unknown file ending '.txt'", ".jsonl", ".parquet"]),
        ("a.parquet.gz", zipped("x"), ["unknown file ending '.gz'"]),
    ],
)
def test_broken_files_are_named_with_the_place(name, content, fragments, tmp_path):
    path = write(tmp_path / name, content() if callable(content) else content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert [part for part in fragments if part not in message] == []


@pytest.mark.parametrize("value", [3, ["x"], {"a": "b"}])
def test_types_that_differ_beyond_what_the_library_looks_at(value, tmp_path):
    """It infers types from the first 10 MB, and turns what differs later into other text."""
    rows = [{"source": "x" * 10_000}] * 1_100 + [{"source": value}]
    message = refusal(write(tmp_path / "a.jsonl", lines(rows)))
    assert "a.jsonl:1101: row 1100: column 'source' is a" in message


def test_parquet_text_that_is_not_utf8(tmp_path):
    import pyarrow
    from pyarrow import parquet

    broken = pyarrow.array([b"\xe9"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"prompt": broken}), tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet")
    assert "cannot be read as parquet" in message
    assert "Invalid UTF8" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(tmp_path):
    path = write(tmp_path / "a.jsonl", lines())
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_reason_is_the_first_cause_on_one_short_line():
    error = RuntimeError("outer")
    error.__cause__ = ValueError("inner\n  cause " + "x" * 999)
    assert reason(error).startswith("inner cause xxx")
    assert len(reason(error)) == 300
    assert reason(StopIteration()) == "StopIteration"


def test_the_library_does_not_log_what_our_message_says(tmp_path):
    path = write(tmp_path / "a.parquet", "junk")
    done = read_in_process([(str(path), {}, None)], tmp_path)
    assert "cannot be read as parquet" in done.stdout
    assert "Failed to" not in done.stderr


# Paths, and what goes with them


@pytest.mark.parametrize(
    ("source", "fragments"),
    [
        ("", ["no data set given"]),
        ("{folder}/trian.jsonl", ["no such file or folder", "did you mean 'train.jsonl'?"]),
        ("{folder}/missing", ["no such file or folder", "OWNER/NAME"]),
        ("{folder}/missing/a.csv", ["no such file or folder"]),
        ("missing.parquet", ["missing.parquet: no such file or folder"]),
        ("./missing", ["no such file or folder"]),
        ("~/missing/nowhere", ["no such file or folder"]),
        ("https://huggingface.co/datasets/a/b", ["no such file or folder", "OWNER/NAME"]),
        ("json", ["'json' is a file format"]),
    ],
)
def test_what_is_not_there(source, fragments, tmp_path):
    write(tmp_path / "train.jsonl", lines())
    message = refusal(source.format(folder=tmp_path))
    assert [part for part in fragments if part not in message] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("name", False),
        ("owner/name", False),
        ("owner/name-v1.5", False),
        ("here", True),
        ("here/inside", True),
        ("data.jsonl", True),
        ("owner/data.csv.gz", True),
        ("./name", True),
        ("/name", True),
        ("~/name", True),
        ("a/b/c", True),
    ],
)
def test_is_local(source, expected, tmp_path, monkeypatch):
    (tmp_path / "here" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert Source(source).is_local is expected


def test_home_and_relative_paths(tmp_path, monkeypatch):
    write(tmp_path / "a.jsonl", lines())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(read_dataset("~/a.jsonl")) == list(read_dataset("a.jsonl")) == ROWS


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"revision": "main"}, "--revision main: is for Hub data sets"),
        ({"config": "en"}, "--config en: is for Hub data sets and folders"),
    ],
)
def test_options_that_files_do_not_have(options, fragment, tmp_path):
    assert fragment in refusal(write(tmp_path / "a.jsonl", lines()), **options)


# Splits


@pytest.fixture(params=["saved", "files"])
def two_splits(request, tmp_path):
    from datasets import Dataset, DatasetDict

    if request.param == "saved":
        splits = {"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:2])}
        DatasetDict(splits).save_to_disk(str(tmp_path / "data"))
    else:
        write(tmp_path / "data" / "train.jsonl", lines())
        write(tmp_path / "data" / "test.jsonl", lines(ROWS[:2]))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (None, ROWS),
        ("train", ROWS),
        ("test", ROWS[:2]),
        ("train[:3]", ROWS[:3]),
        ("train[-3:]", ROWS[-3:]),
        ("train[8:100]", ROWS[8:]),
        ("train[:30%]", ROWS[:3]),
        ("train[8:]+test[:1]", ROWS[8:] + ROWS[:1]),
    ],
)
def test_splits_and_slices(split, expected, two_splits):
    assert list(read_dataset(Source.parse(two_splits, split=split))) == expected


@pytest.mark.parametrize(
    ("split", "fragments"),
    [
        ("validation", ["no split 'validation'", "known: test, train"]),
        ("trian[:3]", ["no split 'trian[:3]'", "did you mean 'train'?"]),
        ("train[:x]", ["'train[:x]' is not a split", "[:100]"]),
        ("train[:300%]", ["'train[:300%]' is not a split"]),
        ("", ["'' is not a split"]),
        ("train[5:5]", ["holds no rows in split 'train[5:5]'"]),
    ],
)
def test_splits_that_are_not_there(split, fragments, two_splits):
    message = refusal(two_splits, split=split)
    assert [part for part in fragments if part not in message] == []


def test_slice_of_a_file(tmp_path):
    path = write(tmp_path / "a.jsonl", lines())
    assert list(read_dataset(Source.parse(path, split="train[:4]"))) == ROWS[:4]
    assert "no split 'test'; known: train" in refusal(path, split="test")


# Folders


def test_folder_saved_without_splits(tmp_path):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "data"))
    assert list(read_dataset(tmp_path / "data")) == ROWS
    assert "written by save_to_disk and has none" in refusal(tmp_path / "data", config="x")


@pytest.mark.parametrize(
    ("files", "options", "expected"),
    [
        ({"data/train-0.parquet": parquet}, {}, ROWS),
        ({"validation.jsonl": lines()}, {}, ROWS),
        ({"train.jsonl": lines(), "test.jsonl": ""}, {}, ROWS),
        (
            {
                "README.md": CARD.format(first="a.jsonl", second="b.jsonl"),
                "a.jsonl": lines(ROWS[:1]),
                "b.jsonl": lines(),
            },
            {"config": "second"},
            ROWS,
        ),
        (
            {
                "README.md": CARD.format(first="data/train-*.parquet", second="none/*"),
                "data/train-0.parquet": parquet,
                "run.json": json.dumps({"settings": {"model": "x"}, "rows": [1, "a"]}),
            },
            {"config": "first"},
            ROWS,
        ),
    ],
)
def test_folders(files, options, expected, tmp_path):
    for name, content in files.items():
        write(tmp_path / "data" / name, content() if callable(content) else content)
    assert list(read_dataset(Source.parse(tmp_path / "data", **options))) == expected


TWO_CONFIGS = {
    "README.md": CARD.format(first="a.jsonl", second="b.jsonl"),
    "a.jsonl": lines(),
    "b.jsonl": lines(),
}


@pytest.mark.parametrize(
    ("files", "options", "fragments"),
    [
        ({".keep": ""}, {}, ["holds no data files"]),
        ({"data.py": "", "a.jsonl": lines()}, {}, ["loading script", "trust_remote_code"]),
        ({"a.jsonl": lines(), "b.jsonl": lines()[:-3]}, {}, ["b.jsonl:10: not valid JSON"]),
        ({"a.jsonl": b'{"output": "\xe9"}\n'}, {}, ["a.jsonl:1: not UTF-8"]),
        ({"a.jsonl": lines(), "b.jsonl": '{"z": 1}\n'}, {}, ["column names don't match"]),
        ({"test.jsonl": lines(), "dev.jsonl": lines()}, {}, ["splits validation, test; choose"]),
        ({"test.jsonl": "\n"}, {}, ["holds no rows"]),
        (TWO_CONFIGS, {}, ["several configurations", "--config: first, second"]),
        (TWO_CONFIGS, {"config": "frist"}, ["no configuration 'frist'", "did you mean 'first'?"]),
        (TWO_CONFIGS, {"revision": "main"}, ["--revision main: is for Hub data sets"]),
    ],
)
def test_folders_that_cannot_be_read(files, options, fragments, tmp_path):
    for name, content in files.items():
        write(tmp_path / "data" / name, content)
    message = refusal(tmp_path / "data", **options)
    assert [part for part in fragments if part not in message] == []


def test_damaged_arrow_folder(tmp_path):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "data"))
    (shard,) = (tmp_path / "data").glob("*.arrow")
    shard.write_bytes(shard.read_bytes()[:300])
    assert f"{shard}: cannot be read as arrow" in refusal(tmp_path / "data")
    shard.unlink()
    assert "No such file or directory" in refusal(tmp_path / "data")


# The Hub: a small one on the loopback, read in another process, as its address is set at import

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


def test_importing_is_quick():
    heavy = "{'datasets', 'pyarrow', 'pandas', 'torch', 'transformers'} & set(sys.modules)"
    code = f"import sys, hf_miwv.rows.schema, hf_miwv.common.reading.reading; print({heavy})"
    printed = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout
    assert printed.strip() == "set()"


def test_two_folders_of_one_name_are_not_mixed_up(tmp_path):
    """The library keeps them in one place of its cache when their cards declare `configs:`."""
    card = "---\nconfigs:\n- config_name: a\n  data_files: data/train-*.parquet\n---\n"
    for parent, value in (("x", "one"), ("y", "two"), ("y", "three")):
        folder = tmp_path / parent / "scored"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        write(folder / "data" / "train-0.parquet", parquet([{"a": value}]))
        (folder / "README.md").write_text(card)
        assert read_dataset(folder)["a"] == [value]
