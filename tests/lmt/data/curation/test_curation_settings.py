"""Settings of curation: defaults, and what is refused."""

import pytest

from hf_lmt.data.curation.curation_settings import DEFAULT, STEPS, settings_of, steps_from
from hf_lmt.data.curation.length_filters import LengthRatio
from hf_miwv.common.errors import InputError


def test_default_steps_in_their_order_with_settings_that_give_them_again():
    steps = steps_from({"contamination": {"sets": "none"}})
    assert [step.name for step in steps] == list(DEFAULT)
    assert steps_from(settings_of(steps) | {"digits": False}) == steps
    asked = steps_from(
        {
            "caps": {"per_target": 2},
            "digits": True,
            "copy": None,
            "script": False,
            "length_ratio": {"most": 4},
            "contamination": False,
        }
    )
    assert [step.name for step in asked] == [
        "empty",
        "length",
        "length_ratio",
        "markup",
        "digits",
        "duplicates",
        "caps",
    ]
    assert asked[2] == LengthRatio(most=4)


def test_all_faults_of_settings_are_told_together():
    with pytest.raises(InputError) as refused:
        steps_from(
            {
                "lenght": {},
                "length": {"mots": 3, "least": "a"},
                "length_ratio": {"most": True},
                "script": {"least_share": 2},
                "empty": {"least": 1},
                "copy": "much",
                "caps": True,
            }
        )
    for words in (
        "unknown step 'lenght': did you mean 'length'",
        "length: unknown setting 'mots': did you mean 'most'",
        "length: least 'a': give a number",
        "length_ratio: most True: give a number; YAML reads",
        "script: least_share 2: give a number from 0 to 1",
        "empty: unknown setting 'least': it has no settings",
        "copy 'much': give its settings",
        "caps: give per_source or per_target",
    ):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": {"least": 5, "most": 4}}, "least 5 is above most 4"),
        ({"caps": {"per_target": 0}}, "per_target 0: give a whole number of at least 1"),
        ({"caps": {"per_target": 1.5}}, "per_target 1.5: give a whole number or null"),
        (["length"], "give steps with their settings"),
    ],
)
def test_settings_refused(settings, message):
    with pytest.raises(InputError, match=message):
        steps_from(settings)


def test_names_in_settings_are_the_steps_own():
    for name in ("empty", "script", "digits", "terminal_punctuation", "markup", "duplicates"):
        assert name in STEPS
        assert [step.name for step in steps_from({**dict.fromkeys(STEPS, False), name: True})] == [name]
