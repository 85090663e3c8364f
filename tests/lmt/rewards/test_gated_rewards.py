"""Every gated reward against policies that translate nothing, on real sentences."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from hf_lmt.rewards import DEFAULT_GATES, gated, gated_chrf, make_comet_reward
from hf_lmt.rewards.reward_columns import Reward
from tests.lmt.rewards.sentences import SENTENCES

CHECKPOINTS = Path(__file__).parents[1] / "comet" / "checkpoints"
NO_CHINESE = pytest.mark.skipif(find_spec("hanzidentifier") is None, reason="hanzidentifier is not installed")
OTHERS = [pytest.param(code, marks=NO_CHINESE if code == "zh" else ()) for code in SENTENCES if code != "en"]


@pytest.fixture(scope="module")
def rewards() -> dict[str, Reward]:
    """The three gated rewards; COMET's with the small random models, which like nothing better than the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKPOINTS)
        models = {
            "comet": make_comet_reward("./comet", references=True, device="cpu"),
            "comet_kiwi": make_comet_reward("./cometkiwi", references=False, device="cpu"),
        }
        row = {"source": ["a"], "target": ["b"]}
        for reward in models.values():
            reward(["c"], **row)  # is loaded, while their encoders are near
    return {"chrf": gated_chrf, **{name: gated(reward, *DEFAULT_GATES) for name, reward in models.items()}}


@pytest.mark.parametrize("into_english", [False, True])
@pytest.mark.parametrize("code", OTHERS)
def test_degenerate_outputs_lose_to_honest_ones(code: str, into_english: bool, rewards: dict[str, Reward]) -> None:
    source, target = (code, "en") if into_english else ("en", code)
    foreign = next(other for other in ("de", "fr", "es") if other not in (source, target))
    sources, references = list(SENTENCES[source]), list(SENTENCES[target])
    columns = {"source": sources, "target": references, "source_lang": [source] * 2, "target_lang": [target] * 2}
    honest = [reference[3:] for reference in references]
    degenerate = {
        "always the same sentence": [references[0]] * 2,
        "the source copied": sources,
        "the second half cut off": [reference[: len(reference) // 2] for reference in references],
        "another language": list(SENTENCES[foreign]),
        "nothing": ["", " "],
        "a loop": [reference[:20] * 6 for reference in references],
    }
    for name, reward in rewards.items():
        honest_values = reward(honest, **columns)
        assert all(value > 0 for value in honest_values), name
        for policy, outputs in degenerate.items():
            values = reward(outputs, **columns)
            assert sum(values) < 0.8 * sum(honest_values), (name, policy, values, honest_values)
            if policy != "the second half cut off":  # in some pairs, half is all that the limits of length can tell
                assert values == [0.0, 0.0], (name, policy)
    assert rewards["chrf"](references, **columns) == [1.0, 1.0]


def test_a_language_is_told_from_its_neighbor_by_no_other_gate() -> None:
    """German for French passes all gates but `right_language`: the test above would not pass without it."""
    columns = {"source": list(SENTENCES["en"]), "source_lang": ["en"] * 2, "target_lang": ["fr"] * 2}
    failing = [gate.__name__ for gate in DEFAULT_GATES if gate(list(SENTENCES["de"]), **columns) == [0.0, 0.0]]
    assert failing == ["right_language"]
