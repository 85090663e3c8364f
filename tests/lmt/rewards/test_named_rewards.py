"""Rewards by short names and dotted paths, and what is recorded of them."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from hf_lmt import rewards
from hf_lmt.rewards.named_rewards import SHORT_NAMES, find_reward, make_reward, reward_identity
from hf_miwv.common.errors import InputError

MODULE = (
    "def mine(completions, **_):\n    return [0.0] * len(completions)\n\nasync def later(completions, **_):\n    ...\n"
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "named_here.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "named_here", raising=False)
    return tmp_path / "named_here.py"


def test_every_short_name_is_a_reward_with_its_name() -> None:
    for name in SHORT_NAMES:
        assert find_reward(name) is getattr(rewards, name) is find_reward(f"hf_lmt.rewards.{name}")
        assert reward_identity(find_reward(name), name)["name"] == name


def test_a_function_of_the_working_directory(module: Path) -> None:
    path = list(sys.path)
    function = find_reward("named_here.mine")
    assert function(["a", "b"]) == [0.0, 0.0]
    assert sys.path == path
    digest = hashlib.sha256(MODULE.encode()).hexdigest()
    expected = {"name": "mine", "path": "named_here.mine", "sha256": digest}
    assert reward_identity(function, "named_here.mine") == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gated_chr", "did you mean 'gated_chrf'"),
        ("nowhere.at.all", "nowhere.at cannot be imported"),
        ("named_here.mina", "has no function 'mina'; did you mean 'mine'?"),
        ("named_here.later", "is asynchronous; give a plain function"),
    ],
)
def test_names_that_stand_for_nothing(module: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        find_reward(name)


def test_another_comet_model() -> None:
    gated = make_reward("gated_kiwi", model="folder", device="cpu")
    identity = reward_identity(gated, "gated_kiwi")
    assert identity["model"] == "folder"
    assert identity["gates"] == reward_identity(rewards.gated_kiwi, "gated_kiwi")["gates"]
    assert make_reward("comet").model == "Unbabel/wmt22-comet-da"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="reward 'chrf' has no COMET model"):
        make_reward("chrf", model="folder")
