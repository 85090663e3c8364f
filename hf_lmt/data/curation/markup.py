"""The filter on what is no text: tags, entities, formulae, bare addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow
import pyarrow.compute

from hf_lmt.data.curation.step import Step, reasons
from hf_lmt.data.hashing import text_column

PATTERNS = {
    "HTML": r"(?i)</?(a|abbr|b|blockquote|body|br|code|div|em|font|h[1-6]|head|hr|html|i|iframe|img"
    r"|input|li|link|meta|ol|option|p|pre|s|script|select|small|span|strong|style|sub|sup|svg|table"
    r"|tbody|td|th|thead|title|tr|tt|u|ul|video)(\s[^<>]*)?/?>"
    r"|<!--|<!doctype|&(amp|lt|gt|quot|apos|nbsp|[lr][ds]quo|[mn]dash|hellip|#\d{1,7}"
    r"|#x[0-9a-f]{1,6});",
    "LaTeX": r"\\(begin|end|frac|dfrac|sqrt|sum|int|prod|left|right|text(bf|it|rm|tt)?|math[a-z]+"
    r"|emph|cite[pt]?|ref|label|section|subsection|item|overline|cdot|times|infty)\b[*]?\s*[{\[(\\^_]",
    "control token": r"<\|[a-zA-Z0-9_]{2,40}\|>|<(start|end)_of_turn>|</?s>|\[/?INST\]"
    r"|<｜[^<>｜]{2,40}｜>",
    "bare address": r"(?i)^\s*((https?|ftp)://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+)"
    r"(\s+((https?|ftp)://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+))*\s*$",
}


@dataclass
class Markup(Step):
    """Takes rows with HTML tags, HTML entities, LaTeX or control tokens in a side, or a side of addresses alone.

    Addresses are URLs and e-mail addresses; within a text they may stand. Only names that HTML and
    LaTeX have count, so "1 < 2" and "AT&T;" stay; control tokens are `<|im_end|>` and the like. Of
    NTREX-128 it takes two texts, with "&#39;" left in.
    """

    name: ClassVar[str] = "markup"

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        matches_by_reason = {}
        for side in ("source", "target"):
            texts = text_column(rows, side)
            for kind, pattern in PATTERNS.items():
                matches = pyarrow.compute.match_substring_regex(texts, pattern)
                matches_by_reason[f"{kind} in {side}"] = matches.to_numpy(zero_copy_only=False)
        return reasons(matches_by_reason)
