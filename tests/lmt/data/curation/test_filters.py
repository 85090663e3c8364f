"""Each filter on rows that it takes and rows that it leaves."""

import pickle

import pytest
from datasets import Dataset

from hf_lmt.data.curation.copies import Copy
from hf_lmt.data.curation.duplicates import Duplicates
from hf_lmt.data.curation.length_filters import Empty, Length, LengthRatio
from hf_lmt.data.curation.marks import Digits, TerminalPunctuation
from hf_lmt.data.curation.markup import Markup
from hf_lmt.data.curation.scripts import Script
from hf_lmt.data.curation.step import keeps
from hf_miwv.common.errors import InputError
from tests.lmt.data.curation.curation_tables import LONG, table

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
