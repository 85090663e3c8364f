"""What must not go to the Hub by accident: names it refuses, links, tokens, keys, pickles."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hub.server import HubServer

from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.manifest import NAME
from hf_miwv.common.hub.names import repository_fault
from hf_miwv.common.hub.pickles import is_pickle
from hf_miwv.common.hub.push import push
from hf_miwv.common.hub.secrets import BLOCK, find_secret

TOKEN = "hf_" + "aB3" * 12
LETTERS = "abcDEF123" * 12


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("ada/model", None),
        ("ada/Mod-el_1.5", None),
        ("ada/" + "n" * 96, None),
        ("ada/model.git", r"\.git at its end"),
        ("ada/modèle", "letters other than A-Z"),
        ("ада/model", "letters other than A-Z"),
        ("ada/my model", "letters other than A-Z"),
        ("ada/" + "n" * 97, "more than 96"),
        ("ada/a--b", "-- or"),
        ("ada/a..b", r"-- or \.\."),
        ("ada/-a", "begin or end with - or"),
        ("ada/a.", "begin or end with - or"),
        ("model", "not OWNER/NAME"),
        ("/model", "not OWNER/NAME"),
        ("ada/", "not OWNER/NAME"),
    ],
)
def test_names_that_the_hub_does_not_take(hub: HubServer, model: Path, name: str, fault: str | None) -> None:
    if fault is None:
        assert repository_fault(name) is None
        return
    with pytest.raises(InputError, match=f"is no repository on the Hub: .*{fault}.*OWNER/NAME"):
        push(model, name)
    assert hub.seen == []


def test_links_are_not_followed_out_of_the_folder(
    hub: HubServer, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "private.txt").write_text("private")
    (model / ".env").write_text("hidden")
    (model / "alias.json").symlink_to("config.json")
    (model / "outside.txt").symlink_to(tmp_path / "elsewhere" / "private.txt")
    (model / "folder").symlink_to(tmp_path / "elsewhere")
    (model / "around.txt").symlink_to(Path("..", "elsewhere", "private.txt"))
    (model / "hidden.txt").symlink_to(".env")
    (model / "gone.txt").symlink_to("nowhere")
    push(model, "ada/model")
    files = hub.files("model", "ada/model")
    assert sorted(files) == ["alias.json", "config.json", "model.safetensors", NAME]
    assert files["alias.json"] == b"{}"
    assert "around.txt, folder, gone.txt, hidden.txt, outside.txt" in caplog.text


SECRETS = {
    "Hub token": (TOKEN, "a token of the Hub"),
    "Hub token of an organization": ("hf_org_" + "x1" * 17, "a token of the Hub"),
    "private key": ("-----BEGIN PRIVATE KEY-----", "a private key"),
    "RSA key": ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
    "encrypted OpenSSH key": ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "a private key"),
    "PGP key": ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "a private key"),
    "old key": ("sk-" + LETTERS[:48], "a key of an interface"),
    "project key": ("sk-proj-" + LETTERS[:30] + "_-" + LETTERS[:30], "a key of an interface"),
    "other key": ("sk-ant-api03-" + LETTERS[:90], "a key of an interface"),
    "AWS key": ("AKIA" + "ABCD2345" * 2, "a key of Amazon"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize(("secret", "words"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_found_in_any_encoding(tmp_path: Path, secret: str, words: str, encoding: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(f"key = {secret}, and more".encode(encoding))
    assert str(find_secret(path, None)).startswith(words)
    path.write_bytes(secret.encode(encoding))
    assert str(find_secret(path, None)).startswith(words)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_secrets_are_found_in_binary_files_and_across_blocks(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "model.safetensors"
    noise = np.random.default_rng(0).integers(0, 256, BLOCK, np.uint8).tobytes()
    space = " ".encode(encoding)
    for shift in range(-3, 80, 7):
        secret = space + TOKEN.encode(encoding) + space
        path.write_bytes(noise[: BLOCK - shift] + secret + noise)
        assert find_secret(path, None) == "a token of the Hub"
    path.write_bytes(noise + "open sesame".encode(encoding) + noise)
    assert find_secret(path, None) is None
    assert find_secret(path, "open sesame") == "a token of the Hub"


@pytest.mark.parametrize(
    "text",
    [
        "task-" + LETTERS[:48],
        "risk-" + LETTERS[:48],
        "disk-proj-" + LETTERS[:60],
        "sk-toggleable__control-and-sk-estimator-doc-link-of-a-page",
        "sk-" + "onlylettersofalongword" * 3,
        "sk-" + LETTERS[:31],
        "hf_hub_download_to_a_folder_of_ones_own",
        "hf_" + "a" * 19,
        "half_" + "a1" * 17,
        "xhf_" + "a1" * 17,
        "hf_" + "a1" * 17 + "_suffix",
        "AKIA" + "ABCD2345" * 2 + "X",
        "AKIAabcd2345abcd2345",
        "MAKIA" + "ABCD2345" * 2,
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "the line -----BEGIN is followed by PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_what_only_begins_like_a_secret_is_none(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(f"({text})".encode(encoding))
    assert find_secret(path, None) is None


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def array(value: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["weights", "data.json", "model.npy"])
def test_pickles_are_told_by_what_they_hold(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    holding = [
        *(pickle.dumps(Path("x"), protocol) for protocol in range(6)),
        *(pickle.dumps({"a": [1, "b"]}, protocol) for protocol in range(2, 6)),
        saved({"a": torch.ones(3)}),
        zipped(a=b"text", b=pickle.dumps([Path("x")])),
        array(np.array([Path("x")], object)),
        zipped(arr=array(np.array(["x"], object))),
    ]
    for number, content in enumerate(holding):
        path.write_bytes(content)
        assert is_pickle(path), number
    innocent = [
        b"",
        b"\x80",
        b"\x80\x02",
        b"\x80\x04 any other binary file",
        b"c",
        b"(dp0\n.",
        b'{"json": "text."}\n',
        b"cats\nand dogs.\n",
        b"A sentence.\n",
        array(np.arange(5)),
        array(np.array(["a", "b"])),
        zipped(arr=array(np.arange(3))),
        zipped(a=b"text."),
        "Ein Satz. 字".encode("utf-16"),
        b"I1\n.",
        b"N.",
    ]
    for number, content in enumerate(innocent):
        path.write_bytes(content)
        assert not is_pickle(path), number


def encrypted(content: bytes) -> bytes:
    """The archive with the first bit of its members' flags set, by which zip says that a password is needed."""
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    flagged = bytearray(content)
    flagged[local + 6] |= 1
    flagged[central + 8] |= 1
    return bytes(flagged)


def deflated_and_torn() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", pickle.dumps(list(range(1000))))
    content = bytearray(stream.getvalue())
    content[40:60] = b"\xff" * 20
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 torn", "not a zip file"),
        (encrypted(zipped(data=pickle.dumps([Path("x")]))), "encrypted"),
        (zipped(data=pickle.dumps([Path("x")]))[:-30], "not a zip file"),
        (deflated_and_torn(), "decompressing"),
    ],
)
def test_zip_files_that_cannot_be_looked_into_are_refused(
    hub: HubServer, model: Path, content: bytes, reason: str
) -> None:
    (model / "state").write_bytes(content)
    with pytest.raises(InputError, match=rf"state: is a zip file that cannot be read \(.*{reason}") as refused:
        push(model, "ada/model")
    assert "save it whole and without a password" in str(refused.value)
    assert "--allow state" in str(refused.value)
    assert hub.seen == []
    push(model, "ada/model", allow=["state"])
    assert "state" in hub.files("model", "ada/model")


def test_what_is_refused_is_named_and_sent_where_it_is_allowed(hub: HubServer, model: Path) -> None:
    (model / "rows.jsonl").write_text("-----BEGIN RSA PRIVATE KEY-----")
    (model / "state").write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(InputError) as refused:
        push(model, "ada/model")
    assert "rows.jsonl: holds what looks like a private key" in str(refused.value)
    assert "state: is a pickle, which runs code" in str(refused.value)
    assert "--allow rows.jsonl" in str(refused.value)
    assert hub.seen == []
    with pytest.raises(InputError, match="state: is a pickle"):
        push(model, "ada/model", allow=["rows.jsonl"])
    words = ["push", str(model), "ada/model", "--allow", "state"]
    result = CliRunner().invoke(main, [*words, "--allow", str(model / "rows.jsonl")])
    assert result.exit_code == 0, result.output
    assert {"rows.jsonl", "state"} < hub.files("model", "ada/model").keys()


@pytest.mark.parametrize("name", ["row.jsonl", "/etc/passwd", "optimizer.pt"])
def test_what_is_allowed_must_be_pushed(hub: HubServer, model: Path, name: str) -> None:
    (model / "rows.jsonl").write_text("{}")
    (model / "optimizer.pt").write_text("state")
    with pytest.raises(InputError, match=f"--allow {name}: is no file of .* that would be pushed"):
        push(model, "ada/model", allow=[name])
    assert hub.seen == []
