"""Other families of translation models: what their cards call languages, and how they ask.

A model knows a language by the name that it was trained with. Where its card has another name than
LMT's prompts ("Khmer" for "Central Khmer"), its own is used. Sources of words and names:

- Hunyuan-MT: sections "Prompts" and "Supported languages" of the README of
  github.com/Tencent-Hunyuan/Hunyuan-MT, which is also the card of tencent/Hunyuan-MT-7B. Its 38
  languages, without Gujarati and traditional Chinese, which LMT does not have; its Mongolian (mn)
  stands for LMT's Inner Mongolian (mvf), which it means: one of China's five.
- GemmaX2: the cards of ModelSpace/GemmaX2-28-2B-v0.1 and its Pretrain, for the 28 names.
- Tower: the usage example of the card of Unbabel/TowerInstruct-7B-v0.2.

Of languages that a card does not list, those in _SHORT have their everyday name, the others LMT's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hf_lmt.data.method.prompts import Wording
from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES


@dataclass(frozen=True)
class Family:
    """How a family of models asks, beside its wording.

    Attributes:
        names (`Mapping[str, str]`, *optional*): Code -> English name, where it is not LMT's.
        chinese (`str`, *optional*): The template for directions from and into Chinese, where that is another one.
        chinese_names (`Mapping[str, str]`, *optional*): Code -> Chinese name, for that template.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    chinese: str | None = None
    chinese_names: Mapping[str, str] = field(default_factory=dict)

    def wording_for(self, wording: Wording, source_lang: str, target_lang: str) -> Wording:
        """Return the templates of a direction.

        Args:
            wording (`Wording`): The family's wording in English.
            source_lang (`str`): Code of the language to translate from.
            target_lang (`str`): Code of the language to translate into.

        Returns:
            `Wording`: The family's Chinese template where it has one and a side is Chinese; else the wording.
        """
        if self.chinese is None or not self._asks_in_chinese(source_lang, target_lang):
            return wording
        return Wording(self.chinese, self.chinese + "{auxiliary_text}")

    def names_for(self, source_lang: str, target_lang: str) -> dict[str, str]:
        """Name every language, in the language that a direction is asked for in.

        Args:
            source_lang (`str`): Code of the language to translate from.
            target_lang (`str`): Code of the language to translate into.

        Returns:
            `dict[str, str]`: {code: name}.
        """
        if self.chinese is not None and self._asks_in_chinese(source_lang, target_lang):
            return dict(self.chinese_names)
        return {code: self.names.get(code, known_language.name) for code, known_language in LANGUAGES.items()}

    def _asks_in_chinese(self, source_lang: str, target_lang: str) -> bool:
        codes = {language(source_lang).code, language(target_lang).code}
        return "zh" in codes and codes <= self.chinese_names.keys()


_SHORT = {
    "he": "Hebrew",
    "km": "Khmer",
    "el": "Greek",
    "ky": "Kyrgyz",
    "nb": "Norwegian",
}
_CHINESE = (
    "zh 中文 en 英语 fr 法语 pt 葡萄牙语 es 西班牙语 ja 日语 tr 土耳其语 ru 俄语 "
    "ar 阿拉伯语 ko 韩语 th 泰语 it 意大利语 de 德语 vi 越南语 ms 马来语 id 印尼语 "
    "tl 菲律宾语 hi 印地语 pl 波兰语 cs 捷克语 nl 荷兰语 km 高棉语 my 缅甸语 fa 波斯语 "
    "ur 乌尔都语 te 泰卢固语 mr 马拉地语 he 希伯来语 bn 孟加拉语 ta 泰米尔语 uk 乌克兰语 "
    "bo 藏语 kk 哈萨克语 mvf 蒙古语 ug 维吾尔语 yue 粤语 "
)
"""Hunyuan-MT's names of its languages: code and name, one after the other."""

FAMILIES: Mapping[str, Family] = {
    "tower": Family(),  # its ten languages have LMT's names
    "gemmax2": Family(names=_SHORT),
    "hunyuan-mt": Family(
        names={**_SHORT, "tl": "Filipino", "ug": "Uyghur", "yue": "Cantonese", "mvf": "Mongolian"},
        chinese="把下面的文本翻译成{target}，不要额外解释。\n\n{text}",
        chinese_names=dict(zip(_CHINESE.split()[::2], _CHINESE.split()[1::2], strict=True)),
    ),
}
"""By the names of `prompt_registry.STYLES`."""
