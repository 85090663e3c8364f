"""The loopback Hub against the unmodified clients, which were made for the real one."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from hub.cards import check_card
from hub.server import HubServer
from huggingface_hub import (
    DatasetCard,
    HfApi,
    ModelCard,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Text\n")
    (folder / "deep" / "deeper" / "a.txt").write_text("a")
    (folder / "deep" / "b.safetensors").write_bytes(bytes(range(256)) * 4000)
    return folder


def contents(folder: Path | str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name != ".gitattributes" and ".cache" not in path.parts
    }


@pytest.mark.parametrize("page", [1000, 2])
def test_a_folder_goes_up_and_comes_down(hub: HubServer, tmp_path: Path, folder: Path, page: int) -> None:
    hub.page, hub.part_size = page, 300_000
    api = HfApi()
    assert api.whoami()["name"] == "ada"
    url = api.create_repo("ada/one", private=True)
    assert api.create_repo("ada/one", exist_ok=True) == url == f"{hub.address}/ada/one"
    made = api.upload_folder(repo_id="ada/one", folder_path=folder, commit_message="All")
    again = api.upload_folder(repo_id="ada/one", folder_path=folder)
    assert again.oid == made.oid == api.repo_info("ada/one").sha
    assert contents(snapshot_download("ada/one")) == contents(folder)
    assert contents(snapshot_download("ada/one", local_dir=tmp_path / "x")) == contents(folder)
    listed = [entry.path for entry in api.list_repo_tree("ada/one", recursive=True)]
    assert sorted(listed) == [
        ".gitattributes",
        "README.md",
        "deep",
        "deep/b.safetensors",
        "deep/deeper",
        "deep/deeper/a.txt",
    ]
    assert [one.path for one in api.list_repo_tree("ada/one", "deep")] == [
        "deep/b.safetensors",
        "deep/deeper",
    ]
    found = api.get_paths_info("ada/one", ["deep", "deep/b.safetensors", "none"])
    assert [one.path for one in found] == ["deep", "deep/b.safetensors"]
    assert found[1].lfs.size == 1_024_000
    assert api.verify_repo_checksums("ada/one", local_dir=tmp_path / "x").mismatches == []


def test_metadata_ranges_and_a_broken_download(hub: HubServer, folder: Path) -> None:
    api = HfApi()
    api.create_repo("ada/one")
    commit = api.upload_folder(repo_id="ada/one", folder_path=folder).oid
    large, small = (hf_hub_url("ada/one", name) for name in ("deep/b.safetensors", "README.md"))
    known = get_hf_file_metadata(large)
    assert (known.commit_hash, known.size) == (commit, 1_024_000)
    assert known.location.startswith(hub.other_address)
    assert get_hf_file_metadata(small).size == len((folder / "README.md").read_bytes())
    part = httpx2.get(known.location, headers={"Range": "bytes=254-257"})
    assert (part.status_code, part.content) == (206, b"\xfe\xff\x00\x01")
    assert part.headers["Content-Range"] == "bytes 254-257/1024000"
    assert httpx2.get(known.location, headers={"Range": "bytes=2000000-"}).status_code == 416
    hub.fault("GET /large", cut_answer=600_000)
    path = hf_hub_download("ada/one", "deep/b.safetensors")
    assert Path(path).read_bytes() == (folder / "deep" / "b.safetensors").read_bytes()
    assert len(hub.asked("GET /large")) == 4


def test_branches_pull_requests_and_conflicts(hub: HubServer) -> None:
    api = HfApi()
    api.create_repo("ada/one", repo_type="dataset")
    first = api.upload_file(path_or_fileobj=b"1", path_in_repo="x", repo_id="ada/one", repo_type="dataset")
    options = {"repo_id": "ada/one", "repo_type": "dataset"}
    api.create_branch(**options, branch="v1")
    with pytest.raises(HfHubHTTPError, match="Reference already exists"):
        api.create_branch(**options, branch="v1")
    api.create_branch(**options, branch="v1", exist_ok=True)
    with pytest.raises(BadRequestError):
        api.create_branch(**options, branch="refs/pr/7")
    proposed = api.upload_file(**options, path_or_fileobj=b"2", path_in_repo="x", create_pr=True, commit_message="Two")
    assert (proposed.pr_num, proposed.pr_revision) == (1, "refs/pr/1")
    assert [one.title for one in api.get_repo_discussions(**options)] == ["Two"]
    with pytest.raises(HfHubHTTPError) as conflict:
        api.upload_file(**options, path_or_fileobj=b"3", path_in_repo="x", parent_commit="0" * 40)
    assert conflict.value.response.status_code == 412
    api.merge_pull_request(**options, discussion_num=1)
    assert hub.files("dataset", "ada/one") == {"x": b"2"}
    assert hub.files("dataset", "ada/one", "v1") == {"x": b"1"}
    refs = api.list_repo_refs(**options, include_pull_requests=True)
    assert {one.name for one in refs.branches} == {"main", "v1"}
    assert [one.ref for one in refs.pull_requests] == ["refs/pr/1"]
    assert api.list_repo_commits(**options)[1].commit_id == first.oid
    opened = api.create_pull_request(**options, title="Later")
    assert (opened.num, opened.status) == (2, "open")
    api.delete_branch(**options, branch="v1")
    api.delete_file("x", **options)
    assert hub.files("dataset", "ada/one") == {}
    api.delete_repo(**options)
    assert not api.repo_exists(**options)


def test_who_may_do_what(hub: HubServer) -> None:
    HfApi().create_repo("ada/closed", private=True)
    HfApi().create_repo("ada/open")
    hub.tokens |= {"hf_bob": "bob", "hf_reader": "ada-reader"}
    hub.readers.add("ada-reader")
    bob, nobody = HfApi(token="hf_bob"), HfApi(token=False)
    for stranger in (bob, nobody):
        with pytest.raises(RepositoryNotFoundError):
            stranger.repo_info("ada/closed")
    with pytest.raises(RevisionNotFoundError):
        HfApi().repo_info("ada/open", revision="none")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("ada/open", "none.txt")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(token="hf_unknown").repo_info("ada/open")
    with pytest.raises(HfHubHTTPError, match="403"):
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="ada/open")
    proposed = bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="ada/open", create_pr=True)
    assert proposed.pr_num == 1
    HfApi(token="hf_bob").create_repo("org/shared")
    with pytest.raises(HfHubHTTPError, match="403"):
        HfApi(token="hf_reader").create_repo("ada-reader/x")


CARDS = [
    ("model", "tags: [a]\nlicense: mit\nlanguage: [en, zh-Hans, yue]", None),
    ("model", "base_model: [a/b, c]\ndatasets: [d/e]\npipeline_tag: translation", None),
    ("model", "base_model: /home/ada/model", '"base_model" with value "/home/ada/model"'),
    ("model", "datasets: [./rows.json]", '"datasets" with value "./rows.json" is not valid'),
    ("model", "license: mine", '"license" with value "mine" is not valid'),
    ("model", "language: english", '"language" with value "english" is not valid'),
    ("model", "language: [no]", '"language" must be a string or a list of strings'),
    ("model", "pipeline_tag: 7", '"pipeline_tag" with value "7" is not valid'),
    ("model", "model-index: [{name: x}]", '"model-index[0]" must have "name" and "results"'),
    ("model", "- a\n- b", '"yaml" must be of type object'),
    ("model", "a: [", "YAML metadata cannot be parsed"),
    ("dataset", "size_categories: [n<1K, 10K<n<100K]", None),
    ("dataset", "size_categories: tiny", '"size_categories" with value "tiny" is not valid'),
    ("dataset", "configs: {a: b}", '"configs" must be a list of objects'),
    ("dataset", "configs: [{config_name: a}, {config_name: a}]", "must be unique"),
    ("dataset", "configs: [{config_name: 'a b'}]", "must be a name"),
]


@pytest.mark.parametrize(("kind", "metadata", "fault"), CARDS)
def test_the_schema_of_cards(kind: str, metadata: str, fault: str | None) -> None:
    errors, warnings = check_card(f"---\n{metadata}\n---\ntext\n", kind)
    assert warnings == []
    assert len(errors) == (fault is not None)
    assert fault is None or fault in errors[0]


def test_the_clients_check_of_cards(hub: HubServer) -> None:
    ModelCard("---\nlicense: mit\n---\n# A\n").validate()
    DatasetCard("# no metadata\n").validate()
    with pytest.raises(ValueError, match="license") as refused:
        ModelCard("---\nlicense: mine\n---\n").validate()
    assert json.loads(str(refused.value))["errors"] == [{"message": '"license" with value "mine" is not valid'}]
    api = HfApi()
    api.create_repo("ada/one")
    card = str(ModelCard("---\nlicense: mit\n---\n# A\n")).encode()
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="ada/one")
    assert ModelCard.load("ada/one").data.license == "mit"
    with pytest.raises(ValueError, match=r"Invalid metadata in README.md"):
        api.upload_file(
            path_or_fileobj=b"---\nlicense: mine\n---\n",
            path_in_repo="README.md",
            repo_id="ada/one",
        )
