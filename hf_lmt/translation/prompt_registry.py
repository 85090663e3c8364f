"""Prompts by name: which words, as a chat turn or as text; and the prompt that a model was trained with.

A folder's `translation_prompt.json` says what its model was trained with. It is written beside a
trained model, and read whenever the model is loaded to translate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hf_lmt.data.method.prompts import (
    WORDINGS,
    Wording,
    as_conversation,
    as_text,
    find_wording,
    prompt_ids,
    thinking_arguments,
    translation_prompt,
)
from hf_lmt.translation.families import FAMILIES, Family
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.runs.json_text import json_text

FORMS = ("conversation", "text")
IDENTITY = "translation_prompt.json"
FORMAT = 1


@dataclass(frozen=True)
class PromptStyle:
    """Hold how a model is asked for a translation.

    Args:
        name (`str`): Name in STYLES, or "custom".
        wording (`Wording`): The templates.
        form (`str`, *optional*, defaults to `"conversation"`): "conversation", one user turn in the model's chat
            template, or "text" as it stands.
        thinking (`str`, *optional*, defaults to `"disabled"`): Name in `prompts.THINKING`: the arguments of the
            chat template.
        hints (`bool`, *optional*, defaults to `True`): The model knows the wording with a hint.

    Raises:
        InputError: an unknown form or thinking policy.
    """

    name: str
    wording: Wording
    form: str = "conversation"
    thinking: str = "disabled"
    hints: bool = True

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InputError(f"form {self.form!r}: {did_you_mean(str(self.form), FORMS)}")
        thinking_arguments(self.thinking)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of all that shapes the prompt; the name does not."""
        parts = {name: value for name, value in asdict(self).items() if name != "name"}
        if self.name in FAMILIES:  # what the wording does not show
            parts["family"] = asdict(FAMILIES[self.name])
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def ids(
        self,
        tokenizer: Any,
        source: str,
        source_lang: str,
        target_lang: str,
        hint: tuple[str, str] | None = None,
    ) -> list[int]:
        """Return the token ids of the prompt.

        Args:
            tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.
            source (`str`): Text to translate.
            source_lang (`str`): Code of its language.
            target_lang (`str`): Code of the language to translate into.
            hint (`tuple[str, str]`, *optional*): Language and text of an auxiliary sentence.

        Returns:
            `list[int]`: (P,) token ids.
        """
        prompt = self.text(source, source_lang, target_lang, hint)
        if self.form == "text":
            return prompt_ids(tokenizer, as_text(prompt))
        return prompt_ids(tokenizer, as_conversation(prompt, thinking=self.thinking))

    def text(
        self,
        source: str,
        source_lang: str,
        target_lang: str,
        hint: tuple[str, str] | None = None,
    ) -> str:
        """Return the words of the prompt, before any chat template.

        Args:
            source (`str`): Text to translate.
            source_lang (`str`): Code of its language.
            target_lang (`str`): Code of the language to translate into.
            hint (`tuple[str, str]`, *optional*): Language and text of an auxiliary sentence.

        Returns:
            `str`: The prompt.
        """
        family = FAMILIES.get(self.name, Family())
        return translation_prompt(
            source,
            source_lang,
            target_lang,
            auxiliary_lang=hint[0] if hint else None,
            auxiliary=hint[1] if hint else None,
            wording=family.wording_for(self.wording, source_lang, target_lang),
            names=family.names_for(source_lang, target_lang),
        )


def _without_hint(plain: str) -> Wording:
    """Make a wording whose model knows no hints: the template for them exists, and is never used."""
    return Wording(plain, plain + "{auxiliary_text}")


_LINES = "\n{source}: {text}\n{target}:"
STYLES: Mapping[str, PromptStyle] = {
    "lmt": PromptStyle("lmt", WORDINGS["released"]),
    "plain": PromptStyle("plain", WORDINGS["released"], form="text"),
    "figure": PromptStyle("figure", WORDINGS["figure"]),
    "tower": PromptStyle(
        "tower",
        _without_hint("Translate the following text from {source} into {target}." + _LINES),
        hints=False,
    ),
    "gemmax2": PromptStyle(
        "gemmax2",
        _without_hint("Translate this from {source} to {target}:" + _LINES),
        form="text",
        hints=False,
    ),
    "hunyuan-mt": PromptStyle(
        "hunyuan-mt",
        _without_hint("Translate the following segment into {target}, without additional explanation.\n\n{text}"),
        hints=False,
    ),
}
"""`lmt`: the released models (NiuTrans/LMT). `plain`: the same words as text, for base models
(ours). `figure`: the words of the paper's figure. Of other families, from their model cards:
`tower` (Unbabel/TowerInstruct-7B-v0.2), `gemmax2` (GemmaX2-28-2B-v0.2), `hunyuan-mt`
(tencent/Hunyuan-MT-7B, which is asked in Chinese from and into Chinese). `families` has their names
of languages."""


def find_style(name: str | None, form: str | None, identity: PromptStyle | None, tokenizer: Any) -> PromptStyle:
    """Return the style that is asked for, else the one that the model was trained with, else "lmt".

    Args:
        name (`str`, *optional*): Name in STYLES.
        form (`str`, *optional*): One of FORMS; None for the style's own.
        identity (`PromptStyle`, *optional*): Of `read_prompt_identity`; what is asked for must then be the same.
        tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.

    Returns:
        `PromptStyle`: The style.

    Raises:
        InputError: an unknown name or form, a contradiction to the identity, or a chat turn for a
            tokenizer without chat template.
    """
    if name is not None and name not in STYLES:
        raise InputError(f"prompt {name!r}: {did_you_mean(name, STYLES)}")
    style = STYLES[name] if name else identity or STYLES["lmt"]
    if form is not None and form != style.form:
        style = PromptStyle(style.name, style.wording, form, style.thinking, style.hints)
    if identity is not None and identity.sha256 != style.sha256:
        raise InputError(
            f"the model was trained with the prompt {identity.name!r} in form {identity.form!r} "
            f"({IDENTITY} beside it), and {style.name!r} in form {style.form!r} is asked for; "
            "leave --prompt and --form out"
        )
    if style.form == "conversation" and not getattr(tokenizer, "chat_template", None):
        raise InputError(
            "the model has no chat template, so it cannot be asked in a conversation; for a base "
            "model give --form text, else a model whose tokenizer has the template"
        )
    return style


def save_prompt_identity(
    folder: str | Path,
    *,
    wording: str | Wording = "released",
    form: str = "conversation",
    thinking: str = "disabled",
) -> Path:
    """Write what a model was trained with into `folder`/translation_prompt.json.

    Args:
        folder (`str | Path`): Folder of the model.
        wording (`str | Wording`, *optional*, defaults to `"released"`): Name in `prompts.WORDINGS`, or templates.
        form (`str`, *optional*, defaults to `"conversation"`): One of FORMS.
        thinking (`str`, *optional*, defaults to `"disabled"`): Name in `prompts.THINKING`.

    Returns:
        `Path`: The file.

    Raises:
        InputError: an unknown wording, form or thinking policy.
    """
    templates = find_wording(wording)
    names = [name for name, registered in WORDINGS.items() if registered == templates]
    style = PromptStyle(names[0] if names else "custom", templates, form, thinking)
    content = {"format": FORMAT, **asdict(style), "sha256": style.sha256}
    path = Path(folder) / IDENTITY
    path.write_text(json_text(content, indent=2) + "\n", "utf-8")
    return path


def read_prompt_identity(folder: str | Path) -> PromptStyle | None:
    """Read the prompt style that the model in a folder was trained with.

    Args:
        folder (`str | Path`): Folder of the model.

    Returns:
        `PromptStyle | None`: The style; None where nothing says so.

    Raises:
        InputError: the file cannot be read, is of another format, or was changed by hand.
    """
    path = Path(folder) / IDENTITY
    return read_identity_file(path) if path.is_file() else None


def read_identity_file(path: Path) -> PromptStyle:
    """Read a `translation_prompt.json`.

    Args:
        path (`Path`): The file.

    Returns:
        `PromptStyle`: The style.

    Raises:
        InputError: the file cannot be read, is of another format, or was changed by hand.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        recorded = content.pop("sha256")
        style = PromptStyle(**{**content, "wording": Wording(**content["wording"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); remove it, or write it anew with save_prompt_identity"
        ) from error
    if style.sha256 != recorded:
        raise InputError(
            f"{path}: its words do not agree with its sha256, so it is not known which the model "
            "was trained with; write it anew with save_prompt_identity"
        )
    return style
