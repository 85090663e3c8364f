"""`push`: a finished folder to a repository on the Hub, in one commit."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub.errors import HTTPError

from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names, private_of
from hf_miwv.common.hub.changes import Changes, Remote, find_changes
from hf_miwv.common.hub.folder_contents import CARD, LocalFile, describe, kind_of, read_contents, read_text
from hf_miwv.common.hub.hub_card import check_config, with_base_model
from hf_miwv.common.hub.manifest import NAME
from hf_miwv.common.hub.messages import WAITS, card_words, explained_hub_errors, is_conflict, may_pass, pause, persist
from hf_miwv.common.hub.names import repository_fault

if TYPE_CHECKING:
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationCopy,
        CommitOperationDelete,
        HfApi,
    )

MAIN = "main"
CONFLICT_WAITS = (0.5, 1, 1, 2, 2, 4, 4, 8)  # seconds; the other push is mostly done by then

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Destination:
    """Say where a folder goes.

    Attributes:
        repository (`str`): OWNER/NAME.
        kind (`str`): "model" or "dataset", as the Hub has it.
        public (`bool`): Whether the repository may be, or is meant to be, public.
        revision (`str`): The branch, or refs/pr/N.
        pull_request (`bool`): Propose the commit in place of making it.
        config (`str`, *optional*): The configuration of a data set that the folder becomes.
        message (`str`): The commit's message.
    """

    repository: str
    kind: str
    public: bool
    revision: str
    pull_request: bool
    config: str | None
    message: str


@dataclass(frozen=True)
class Pushed:
    """Report a push.

    Attributes:
        url (`str`): Address of the repository, or of the pull request.
        kind (`str`): "model" or "dataset".
        private (`bool`): Whether the repository is private.
        commit (`str`): The commit's id; of an earlier one where nothing changed.
        written (`list[str]`): Paths of the written files.
        removed (`list[str]`): Paths of the removed files.
        bytes (`int`): Size of the written files, in bytes.
        config (`str`, *optional*): The configuration that the folder became; None for the whole
            repository.
    """

    url: str
    kind: str
    private: bool
    commit: str
    written: list[str]
    removed: list[str]
    bytes: int
    config: str | None


@former_names({"repository": "repo_id", "public": private_of})
def push(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    pull_request: bool = False,
    message: str | None = None,
    config: str | None = None,
    base_model: str | None = None,
    allow: Sequence[str] = (),
) -> Pushed:
    """Put a folder on the Hub, in one commit: all of it arrives or nothing.

    A folder with safetensors becomes a model, another that hf-miwv or hf-lmt wrote a data set.
    Chosen rows that are pushed to where scored ones are already become a configuration beside them.
    The token comes from where the Hub's client keeps it, and the address from HF_ENDPOINT. Large
    files are sent first; those that the Hub has are not sent again, so that the same call goes on
    after an interruption. Files that an earlier push wrote and that are gone from the folder are
    removed in the same commit, unless somebody else has changed them; all other files stay
    (pushed.json keeps the account). Where other commits come in between, the change is worked out
    anew on top of them.

    Args:
        folder (`str | Path`): The finished folder.
        repo_id (`str`): OWNER/NAME; made where it does not exist.
        private (`bool`, *optional*, defaults to `True`): Whether a repository made now is private; False
            also says that it is meant where an existing public one is written to. A private one stays private.
        revision (`str`, *optional*): A branch, made from the main one where it does not exist; or
            refs/pr/N. By default the main branch.
        pull_request (`bool`, *optional*, defaults to `False`): Propose the commit for the main branch in
            place of making it.
        message (`str`, *optional*): The commit's message.
        config (`str`, *optional*): The folder becomes one of several configurations of a data set, below
            a folder of this name.
        base_model (`str`, *optional*): OWNER/NAME, written into the card and the adapter's
            configuration that are pushed; the folder itself is not changed.
        allow (`Sequence[str]`, *optional*, defaults to `()`): Files, by their path in the folder, that
            are pushed although they look like a pickle or hold what looks like a token or a key.

    Returns:
        `Pushed`: The commit, and the files that it wrote and removed.

    Raises:
        InputError: Anything that cannot or must not be pushed (pickles, tokens in files, a local
            path as base model, metadata that the Hub refuses), and what the Hub refuses, each with
            what to do. The folder is never changed.
    """
    from huggingface_hub import HfApi

    folder = Path(folder).expanduser()
    kind = kind_of(folder)
    destination = Destination(
        repo_id,
        kind,
        not private,
        revision or MAIN,
        pull_request,
        config,
        message or f"Push {config or kind} with hf-miwv-lmt",
    )
    _check(destination, folder, revision, base_model)
    # Before the files are hashed, which takes minutes for a large model.
    secret = check_login()
    paths, left_out = read_contents(folder, secret, allow)
    if left_out:
        logger.info("left out, as unfinished work or a trainer's state: %s", ", ".join(left_out))
    files = describe(paths, with_base_model(folder, base_model))
    api = HfApi(library_name="hf-miwv-lmt")
    with explained_hub_errors(repo_id):
        # A card that the Hub refuses must not cost an upload, nor leave an empty repository behind.
        _validate_card(files.get(CARD), kind)
        url, private = _open_repository(api, destination)
        return _commit(api, destination, files, url, private)


def check_destination(repository: str, revision: str | None, pull_request: bool) -> None:
    """Check a repository's name, and that a pull request is for the main branch.

    Args:
        repository (`str`): OWNER/NAME.
        revision (`str`, *optional*): The branch that was asked for.
        pull_request (`bool`): Whether a pull request was asked for.

    Raises:
        InputError: It is no repository's name, or a pull request for another branch.
    """
    if fault := repository_fault(repository):
        raise InputError(f"{repository!r}: is no repository on the Hub: {fault}; give OWNER/NAME")
    if pull_request and revision is not None:
        raise InputError(
            f"--revision {revision}: a pull request is for the main branch; leave one of "
            "--revision and --pull-request out"
        )


def check_login() -> str:
    """Return the token, from where the Hub's client keeps it.

    Returns:
        `str`: The token.

    Raises:
        InputError: Nobody is logged in.
    """
    from huggingface_hub import get_token

    secret = get_token()
    if secret is None:
        raise InputError("you are not logged in to the Hub: `hf auth login`, or set HF_TOKEN")
    return secret


def make_repository(repository: str, *, kind: str, public: bool) -> bool:
    """Make the repository that results will be pushed to, where it does not exist yet.

    Args:
        repository (`str`): OWNER/NAME.
        kind (`str`): "model" or "dataset".
        public (`bool`): Whether all may read it, and whether it is meant that an existing public one is
            written to.

    Returns:
        `bool`: False where the Hub cannot be reached now, which is logged as a warning.

    Raises:
        InputError: Nobody is logged in, or the Hub refuses it, or it is public and that is not
            meant.
    """
    from huggingface_hub import HfApi

    check_destination(repository, None, False)
    check_login()
    destination = Destination(repository, kind, public, MAIN, False, None, "")
    with explained_hub_errors(repository, "nothing has been done yet"):
        try:
            _open_repository(HfApi(library_name="hf-miwv-lmt"), destination)
        except HTTPError as error:
            if not may_pass(error):
                raise
            logger.warning("%s: the Hub cannot be reached now (%s)", repository, error)
            return False
    return True


def _check(destination: Destination, folder: Path, revision: str | None, base_model: str | None) -> None:
    check_destination(destination.repository, revision, destination.pull_request)
    if base_model is not None and destination.kind != "model":
        raise InputError(f"--base-model {base_model}: is for models, and {folder} is a data set")
    if destination.config is not None:
        if destination.kind == "model":
            raise InputError(f"--config {destination.config}: is for data sets, and {folder} is a model")
        check_config(destination.config, folder)


def _validate_card(card: LocalFile | None, kind: str) -> None:
    """Check the card by the Hub's rules, before a repository is made for it."""
    from huggingface_hub import DatasetCard, ModelCard

    if card is None:
        return
    try:
        hub_card = (ModelCard if kind == "model" else DatasetCard)(read_text(card), ignore_metadata_errors=True)
        persist(hub_card.validate)
    except ValueError as error:
        if isinstance(error, OSError):  # an answer of the Hub's that is no verdict on the card
            raise
        raise InputError(
            f"{card.path}: the Hub does not accept the metadata of the card: {card_words(error)}"
        ) from error


def _open_repository(api: HfApi, destination: Destination) -> tuple[str, bool]:
    """Return the repository's address and whether it is private; make it, and its branch, if need be.

    A private one that exists stays so. A public one is written to only where that is said: what
    was public once cannot be called back.
    """
    options: dict[str, Any] = {"repo_id": destination.repository, "repo_type": destination.kind}
    if not destination.pull_request:
        persist(lambda: api.create_repo(**options, private=not destination.public, exist_ok=True))
    info = persist(lambda: api.repo_info(**options))
    if not info.private and not destination.public:
        raise InputError(
            f"{destination.repository}: is public on the Hub, and what is pushed there can be read by "
            "all; give --public if that is meant, or another repository"
        )
    if info.private and destination.public:
        logger.warning("%s is private and stays so; make it public in its settings on the Hub", destination.repository)
    if destination.revision != MAIN and not destination.revision.startswith("refs/"):
        persist(lambda: api.create_branch(**options, branch=destination.revision, exist_ok=True))
    url_prefix = "" if destination.kind == "model" else f"{destination.kind}s/"
    return f"{api.endpoint}/{url_prefix}{destination.repository}", bool(info.private)


def _commit(api: HfApi, destination: Destination, files: Mapping[str, LocalFile], url: str, private: bool) -> Pushed:
    """Make the commit, on top of whatever others have made of the revision in the meantime."""
    additions: dict[tuple[str, str], CommitOperationAdd] = {}  # what is uploaded stays so
    conflicts, failures = iter(CONFLICT_WAITS), iter(WAITS)
    last = Changes({}, [], [])
    while True:
        # Work the change out anew for each try: another commit may have come in between, and the commit is
        # made only if the branch still stands at the parent that was read here (parent_commit).
        remote = persist(lambda: _read(api, destination))
        changes = find_changes(files, destination.config, remote, destination.repository)
        if not changes.add and not changes.remove:  # there already; or made, and no answer came
            return _report(destination, last, url, private, remote.commit, changes.config)
        operations = _upload(api, destination, changes, additions)
        try:
            commit = api.create_commit(
                operations=operations,
                commit_message=destination.message,
                parent_commit=remote.commit,
                **_options(destination),
            )
            url = commit.pr_url or url
            return _report(destination, changes, url, private, commit.oid, changes.config)
        except HTTPError as error:
            # A conflict means that somebody else was quicker: wait, then go on from their commit. A failure
            # that may pass is tried again as well: if the commit was made after all and only its answer was
            # lost, the next look finds nothing to change.
            wait = next(conflicts, None) if is_conflict(error) else None
            if may_pass(error) and not destination.pull_request:  # of those it could open a second one
                wait = next(failures, None)
            if wait is None:
                raise
            pause(error, wait)
        last = changes


def _upload(
    api: HfApi,
    destination: Destination,
    changes: Changes,
    additions: dict[tuple[str, str], CommitOperationAdd],
) -> list[CommitOperationAdd | CommitOperationDelete | CommitOperationCopy]:
    """Return the operations of the commit; large files are on the Hub afterwards, and not yet visible."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    if changes.replaced:
        logger.warning(
            "replaced, though somebody else wrote it (the history keeps it): %s", ", ".join(changes.replaced)
        )
    added = []
    for path, file in changes.add.items():
        key = path, file.sha256
        if key not in additions:
            source = file.path if file.content is None else file.content
            additions[key] = CommitOperationAdd(path, source)
            additions[key].upload_info.sha256 = bytes.fromhex(file.sha256)  # not read once more
        added.append(additions[key])
    api.preupload_lfs_files(additions=added, free_memory=False, **_options(destination))
    return [*added, *(CommitOperationDelete(path) for path in changes.remove)]


def _options(destination: Destination) -> dict[str, Any]:
    return {
        "repo_id": destination.repository,
        "repo_type": destination.kind,
        "revision": destination.revision,
        "create_pr": destination.pull_request,
    }


def _report(
    destination: Destination, changes: Changes, url: str, private: bool, commit: str, config: str | None
) -> Pushed:
    size = sum(file.size for file in changes.add.values())
    return Pushed(url, destination.kind, private, commit, sorted(changes.add), changes.remove, size, config)


def _read(api: HfApi, destination: Destination) -> Remote:
    """Read the revision as it stands now, all of it at the same commit."""
    from huggingface_hub import RepoFile

    options: dict[str, Any] = {"repo_id": destination.repository, "repo_type": destination.kind}
    commit = str(api.repo_info(**options, revision=destination.revision).sha)
    names = {
        entry.path: entry.blob_id if entry.lfs is None else entry.lfs.sha256
        for entry in api.list_repo_tree(**options, revision=commit, recursive=True)
        if isinstance(entry, RepoFile)
    }
    contents = {}
    with tempfile.TemporaryDirectory() as folder:  # not in the user's cache
        for name in {CARD, NAME} & names.keys():
            path = api.hf_hub_download(**options, filename=name, revision=commit, local_dir=folder)
            contents[name] = Path(path).read_bytes()
    card = contents.get(CARD)
    return Remote(commit, names, None if card is None else card.decode(), contents.get(NAME))
