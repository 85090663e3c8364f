"""Each filter by rows it must take and rows it must leave, and steps in order over data sets."""

import pickle

import datasets
import pyarrow as pa
import pytest
from datasets import Dataset

from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.curation.copies import Copy
from hf_lmt.data.curation.curate import curate
from hf_lmt.data.curation.curation_settings import DEFAULT, STEPS, settings_of, steps_from
from hf_lmt.data.curation.duplicates import Caps, Duplicates
from hf_lmt.data.curation.length_filters import Empty, Length, LengthRatio
from hf_lmt.data.curation.marks import Digits, TerminalPunctuation
from hf_lmt.data.curation.markup import Markup
from hf_lmt.data.curation.scripts import Script
from hf_lmt.data.curation.step import keeps
from hf_miwv.common.errors import InputError

COLUMNS = ("source_lang", "target_lang", "source", "target")
LONG = "The ministers will meet again on Monday to talk about the price of bread."
TITLE = "Elite League: Dundee Stars 5-3 Belfast Giants"

FILTERED = {
    "word": (Empty(), "en", "de", "Yes.", "Ja.", None),
    "nothing": (Empty(), "en", "de", "", "Ja.", "source empty"),
    "null": (Empty(), "en", "de", "Yes.", None, "target empty"),
    "zero width": (Empty(), "en", "de", "Yes.", "\u200b \u00a0\ufeff\t", "target empty"),
    "control": (Empty(), "en", "ko", "\x00\x07", "\u3164", "source empty"),
    "full stop": (Empty(), "en", "am", "Yes.", "።", None),
    "short": (Length(least=4), "en", "zh", "Good", "好的", None),
    "too short": (Length(least=4), "en", "zh", "Good", "好", "target too short"),
    "long": (Length(most=9), "en", "zh", "Good luck", "祝你好", None),
    "too long": (Length(most=9), "zh", "en", "祝你好运", "Good luck", "source too long"),
    "Chinese is dense": (
        LengthRatio(),
        "zh",
        "en",
        "部长们周一将再次开会讨论面包价格。",
        LONG,
        None,
    ),
    "Burmese is not": (
        LengthRatio(),
        "zh",
        "my",
        "我的名字是玛丽。",
        "ကျွန်မ၏အမည်မှာ မာရီ ဖြစ်ပါသည်။",
        None,
    ),
    "short ones vary": (
        LengthRatio(),
        "en",
        "de",
        "And I did.",
        "Das habe ich dann auch getan.",
        None,
    ),
    "cut off": (LengthRatio(), "en", "de", LONG, "Die", "source much longer"),
    "run on": (LengthRatio(), "de", "en", "Die Minister", LONG, "target much longer"),
    "no allowance": (LengthRatio(3, 0), "en", "de", "No", "Nein, nein", "target much longer"),
    "copied": (Copy(), "en", "de", LONG, LONG, "target is the source"),
    "copied, dressed up": (
        Copy(),
        "en",
        "fr",
        TITLE,
        "elite league : «Dundee Stars» 5–3 Belfast GIANTS",
        "target is the source",
    ),
    "copied, decomposed": (
        Copy(),
        "fr",
        "en",
        "\u00e9tude g\u00e9n\u00e9rale des r\u00e9sultats",
        "e\u0301tude ge\u0301ne\u0301rale des re\u0301sultats",
        "target is the source",
    ),
    "copied, folded": (
        Copy(),
        "de",
        "en",
        "Die Straße ist nicht breit genug",
        "DIE STRASSE IST NICHT BREIT GENUG",
        "target is the source",
    ),
    "a name": (Copy(), "en", "de", "Donald Trump", "Donald Trump", None),
    "figures": (
        Copy(),
        "en",
        "de",
        "2018 2019 2020 2021 2022 2023",
        "2018 2019 2020 2021 2022 2023",
        None,
    ),
    "same length": (
        Copy(),
        "en",
        "de",
        "The house is very very old",
        "Das Haus ist sehr sehr alte",
        None,
    ),
    "same letters": (Copy(least=3), "en", "de", "abc def", "def abc", None),
    "untranslated": (Script(), "en", "th", LONG, LONG, "target in another script"),
    "wrong way round": (
        Script(),
        "kk",
        "en",
        LONG,
        "Министрлер қайта жиналады.",
        "source in another script",
    ),
    "foreign names": (
        Script(),
        "en",
        "zh",
        "It is like Google Drive and Slack.",
        "它类似于Google Drive、Microsoft Outlook和Slack。",
        None,
    ),
    "kana and kanji": (Script(), "en", "ja", "A computer", "コンピューター・ゲームの歴史", None),
    "Japanese as Korean": (
        Script(),
        "en",
        "ko",
        "A computer",
        "コンピュータの歴史",
        "target in another script",
    ),
    "Cyrillic Uzbek": (
        Script(),
        "en",
        "uz",
        LONG,
        "Вазирлар душанба куни йиғилади.",
        "target in another script",
    ),
    "too few letters": (Script(), "en", "zh", "iPhone 15", "iPhone 15", None),
    "no letters": (Script(), "en", "ar", "12:30", "12:30", None),
    "tag": (Markup(), "en", "de", "<b>Yes</b>", "Ja", "HTML in source"),
    "tag with attribute": (
        Markup(),
        "en",
        "de",
        "Yes",
        'Ja <a href="x">hier</a>',
        "HTML in target",
    ),
    "entity": (Markup(), "en", "de", "Yes", "L&#39;Oreal", "HTML in target"),
    "formula": (Markup(), "en", "de", r"the \frac{1}{2} of it", "die Hälfte", "LaTeX in source"),
    "URL": (Markup(), "en", "de", " https://example.org/a?b=c ", "Ja", "bare address in source"),
    "URL in a sentence": (
        Markup(),
        "en",
        "de",
        "See https://example.org now",
        "Siehe www.example.org",
        None,
    ),
    "less and greater": (
        Markup(),
        "en",
        "de",
        "1 < 2 and 3 > 2, R&D; AT&T",
        r"C:\neu <3 <Name>",
        None,
    ),
    "both end": (TerminalPunctuation(), "en", "zh", "I go.", "我去。", None),
    "in quotes": (TerminalPunctuation(), "en", "hi", "“I go.”", "मैं जाता हूँ।'", None),
    "one ends": (
        TerminalPunctuation(),
        "en",
        "de",
        "I go.",
        "Ich gehe",
        "one side ends a sentence",
    ),
    "one asks": (TerminalPunctuation(), "en", "ar", "Do I go?", "أنا أذهب.", "one side asks"),
    "Arabic asks": (TerminalPunctuation(), "en", "ar", "Do I go?", "هل أذهب؟", None),
    "Thai has no mark": (TerminalPunctuation(), "en", "th", "I go.", "ฉันไป", None),
    "Tibetan has no question mark": (
        TerminalPunctuation(),
        "en",
        "bo",
        "Do I go?",
        "ང་འགྲོའམ།",
        None,
    ),
    "same figures": (Digits(), "en", "fa", "In 1984, 1,000 came", "در ۱۹۸۴ هزار 1", None),
    "other figures": (Digits(), "en", "de", "In 1984", "Im Jahr 2367", "other figures"),
    "no figures": (Digits(), "en", "de", "Yes", "Ja", None),
    "written out": (Digits(), "en", "de", "at 8", "um acht", "other figures"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def table(rows):
    columns = zip(*rows, strict=True)
    return pa.table({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})


def contents(rows):
    return sorted(map(str, rows.to_list()))


@pytest.mark.parametrize("case", FILTERED)
def test_filter(case):
    step, source_lang, target_lang, source, target, reason = FILTERED[case]
    batch = table([("en", "de", "A house", "Ein Haus"), (source_lang, target_lang, source, target)])
    assert step(batch) == [None, reason]
    assert pickle.loads(pickle.dumps(step))(batch) == [None, reason]  # noqa: S301


@pytest.mark.parametrize("step", [Length(), LengthRatio(), Copy(), Script(), Markup(), Digits()])
def test_a_batch_is_judged_as_its_rows_are(step):
    rows = [case[1:5] for case in FILTERED.values() if case[4] is not None and case[1]]
    whole = table(rows)
    alone = [step(table([row]))[0] for row in rows]
    assert step(whole) == alone
    assert step(whole.slice(7, 20)) == alone[7:27]
    assert any(alone)


def test_keeps_is_a_predicate_for_filter():
    rows = Dataset(table([("en", "de", LONG, "Die"), ("en", "de", "A house", "Ein Haus")]))
    left = rows.filter(keeps(LengthRatio()), batched=True)
    assert left["target"] == ["Ein Haus"]
    with pytest.raises(InputError, match="duplicates: judges rows by other rows"):
        keeps(Duplicates())


def copies(number, **columns):
    """Rows that differ in corpus only, and then one other."""
    rows = [("en", "de", "A house", "Ein Haus")] * number + [("en", "de", "A boat", "Ein Boot")]
    data = table(rows).append_column("corpus", [[*map(str, range(number)), "other"]])
    for name, values in columns.items():
        data = data.append_column(name, [values])
    return Dataset(data)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("step", "left"), [(Duplicates(), 2), (Caps(per_target=3), 4), (Caps(per_source=1), 2)])
def test_what_stays_of_copies_depends_on_no_order(step, left, seed):
    rows = copies(50)
    first = curate(rows, [step], progress=False)
    again = curate(rows.shuffle(seed=seed), [step], progress=False)
    assert len(first.rows) == left
    assert contents(first.rows) == contents(again.rows)
    assert first.counts == again.counts


def test_rows_keep_their_order_and_one_of_equal_rows_stays():
    rows = Dataset(table([("en", "de", text, text) for text in "cabcab"]))
    assert curate(rows, [Duplicates()], progress=False).rows["source"] == ["c", "a", "b"]


def test_of_copies_one_with_an_auxiliary_stays():
    rows = copies(20, auxiliary=[None] * 13 + ["Een huis"] + [None] * 7)
    assert curate(rows, [Duplicates()], progress=False).rows["auxiliary"] == ["Een huis", None]


def test_duplicates_are_of_one_direction_and_equal_in_nfc():
    texts = ("\u00e9t\u00e9", "e\u0301te\u0301")
    rows = [("fr", "en", text, "summer") for text in texts] + [("fr", "de", texts[0], "summer")]
    assert len(curate(Dataset(table(rows)), [Duplicates()], progress=False).rows) == 2


def test_caps_take_sources_first_and_targets_of_what_is_left():
    pairs = [("s1", "t1"), ("s1", "t2"), ("s2", "t2"), ("s3", "t2"), ("s4", "t3")]
    rows = Dataset(table([("en", "de", *pair) for pair in pairs]))
    found = curate(rows, [Caps(per_source=1, per_target=1)], progress=False)
    left = found.rows.to_list()
    assert len({row["source"] for row in left}) == len({row["target"] for row in left}) == len(left)
    assert found.counts["steps"][0]["reasons"]["source too often"] == 1


def test_counts_and_rejects_say_what_went_and_why():
    rows = Dataset(
        table(
            [
                ("en", "de", "A house", "Ein Haus"),
                ("en", "de", "", "Ein Haus"),
                ("en", "de", LONG, LONG),
                ("de", "en", "Ein Haus", "A house"),
                ("de", "en", "Ein Haus", "A house"),
                ("de", "en", "Ein Haus", " "),
            ]
        ).append_column("extra", [list(range(6))])
    )
    found = curate(rows, [Empty(), Copy(), Duplicates()], keep_rejects=True, progress=False)
    assert found.rows["extra"] == [0, 3]
    assert found.rows.column_names == rows.column_names
    rejects = [(one["extra"], one["rejected_by"], one["reason"]) for one in found.rejects]
    assert rejects == [
        (1, "empty", "source empty"),
        (2, "copy", "target is the source"),
        (4, "duplicates", "same source and target"),
        (5, "empty", "target empty"),
    ]
    assert found.counts["directions"] == {
        "de-en": {"in": 3, "out": 1},
        "en-de": {"in": 3, "out": 1},
    }
    taken = [(one["name"], one["rows_in"], one["rejected"]) for one in found.counts["steps"]]
    assert taken == [("empty", 6, 2), ("copy", 4, 1), ("duplicates", 3, 1)]
    assert found.counts["steps"][1]["directions"] == {
        "de-en": {"in": 2, "rejected": 0},
        "en-de": {"in": 2, "rejected": 1},
    }


def test_many_batches_are_one_data_set():
    number = 25_000
    rows = [("en", "de", f"A house {i % 12_000}", "Ein Haus" if i % 5 else "") for i in range(number)]
    found = curate(Dataset(table(rows)), [Empty(), Duplicates()], progress=False)
    kept = {row for row in rows if row[3]}
    assert len(found.rows) == len(kept)
    assert set(found.rows["source"]) == {row[2] for row in kept}


def test_an_empty_result_says_who_took_it():
    rows = Dataset(table([("en", "de", "", "x"), ("en", "de", LONG, LONG), ("en", "de", LONG, LONG)]))
    with pytest.raises(InputError, match=r"no row is left of 3; .*: empty 1, copy 2"):
        curate(rows, [Empty(), Length(), Copy()], progress=False)


@pytest.mark.parametrize(
    ("rows", "steps", "message"),
    [
        pytest.param(Dataset.from_dict({}), [], "no rows", id="no rows"),
        pytest.param(Dataset.from_dict({"en": ["a"]}), [], "no column 'source_lang'", id="column"),
        pytest.param(copies(1), [Empty(), Empty()], "'empty' is there 2 times", id="twice"),
    ],
)
def test_curate_refuses(rows, steps, message):
    with pytest.raises(InputError, match=message):
        curate(rows, steps)


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


def test_rows_of_a_source_are_read_as_they_come():
    row = dict.fromkeys(ROW_SCHEMA.names) | dict(zip(COLUMNS, ("en", "de", "Hi", "Hallo"), strict=True))
    rows = Dataset(pa.Table.from_pylist([row, row], schema=ROW_SCHEMA))
    found = curate(rows, steps_from({"contamination": {"sets": "none"}}), progress=False)
    assert found.rows.to_list() == [row]
