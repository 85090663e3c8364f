"""The folder of an evaluation, EVAL: what lies in it, and its reader.

    EVAL/run.json                 settings, model, set, versions, counts, warnings, "identity"
    EVAL/scores.json              every figure, as below
    EVAL/scores.csv               the same per direction: a line for each direction and figure
    EVAL/hypotheses/en-de.jsonl   a line for each sentence, in the set's order
    EVAL/stats/en-de.npz          counts for each sentence, in the same order: resample at will
    EVAL/README.md                the card; `load_dataset(EVAL)` opens the hypotheses

No text of the evaluation set is in it, be it source, reference or a given hint, so that it can be
pushed as it is; in a multi-way set each source is another direction's reference. Where the set is
at hand, `sets.set_of(evaluation).lines(direction)` has them, line by line as in the hypotheses.

A line of hypotheses has: id (of the sentence in the set), source_lang, target_lang, hypothesis,
status (as `translation.requests.Translation.status`; "given" for hypotheses from elsewhere), tokens
(0 where not known), flags (names of `behavior` rates that count the row, with blanks between), and
where hints were asked for hint_lang, hint (of the model's own; empty for a given one) and
hint_dropped. What there is not is an empty text.

scores.json, all shares from 0 to 1 and all scores in the metric's own unit:

    {"format": 1, "set": name, "metrics": [...], "marks": [what every table must say beside its
     figures, such as contamination],
     "directions": {"en-de": {
        "lines": 1012,
        "scores": {"bleu": {"value", "low", "high", "signature", "unavailable", "unreliable"}},
        "behavior": {"copy": {"value", "count", "rows", "unjudged", "signature"}},
        "not_nfc": as below, where any reference of the direction is not in NFC,
        "fan_in_largest": 3, "fan_in_examples": [[output, different sources behind it], ...],
        "paper": {"0.6B": {"comet": .., "bleu": ..}, ...}}},
     "groups": {"en2x/low": {
        "scores": {"bleu": {"mean", "count", "missing", "apart", "mean_with_apart"}},
        "behavior": {"copy": {"value", "count", "rows"}},
        "paper": {"0.6B": {"bleu": .., "comet": ..}}}},
     "not_nfc": {"bn": {"count": references that are not in Unicode's form NFC, "rows": of these,
        "scores": {"bleu": what the references themselves in NFC would get}}},
     "missing": {"en-mvf": why this direction has no figures}}

low and high bound the 95 % interval of the bootstrap. Groups, and "missing" and "apart" directions
in them, are those of `aggregation.aggregate` over the directions asked for; behavior of a group is
that of all its rows together. "paper" is null unless the set is FLORES-200's whole devtest, and
of a group also where the paper lacks one of its directions; its COMET is times 100, ours is not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hf_lmt.directions import Direction, parse_direction
from hf_lmt.evaluation.evaluated_record import EvaluatedRecord
from hf_lmt.evaluation.metrics.corpus_scores import Statistics
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.spelling import respelled

if TYPE_CHECKING:
    from hf_miwv.common.hub.push import Pushed

RUN = "run.json"
SCORES = "scores.json"
TABLE = "scores.csv"
HYPOTHESES = "hypotheses"
STATISTICS = "stats"
FORMAT = 1
# In the reasons of "missing": between the name of the set and the languages that it lacks.
NO_TEXT = " has no text in "


class SentenceCounts(NamedTuple):
    """Counts whose sums give the figures of one direction, a row per sentence as in the hypotheses.

    Attributes:
        statistics (`dict[str, Statistics]`): {metric: counts}; none for a metric that cannot judge.
        flags (`dict[str, np.ndarray]`): {behavior: (S,) bool}.
        has_source (`np.ndarray`): (S,) bool, which rows have a source text; the rates are over these.
    """

    statistics: dict[str, Statistics]
    flags: dict[str, np.ndarray]
    has_source: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """A folder that `evaluate` wrote; what is per sentence is read when it is asked for.

    Attributes:
        folder (`Path`): The folder, or its copy in the cache of the Hub's client.
        run (`EvaluatedRecord`): The content of run.json.
        scores (`dict[str, Any]`): The content of scores.json.
        name (`str`): Name of the folder, or its id on the Hub.
    """

    folder: Path
    run: EvaluatedRecord
    scores: dict[str, Any]
    name: str

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Evaluation:
        """Read the evaluation in a folder, here or on the Hub; the same as `read_evaluation`.

        Args:
            folder (`str | Path`): The folder, or the id of a data set on the Hub (OWNER/NAME, OWNER/NAME@REVISION).

        Returns:
            `Evaluation`: The evaluation.

        Raises:
            InputError: There is none, it is damaged, or of another format than this version writes.
        """
        return read_evaluation(folder)

    def push_to_hub(self, repo_id: str, **options: Any) -> Pushed:
        """Push the folder to the Hub, in one commit; private unless `private=False`.

        Args:
            repo_id (`str`): OWNER/NAME.
            **options (`Any`): Options of `hf_lmt.push`: private, revision, message ...

        Returns:
            `Pushed`: The commit, and the files that it wrote and removed.

        Raises:
            InputError: As `hf_lmt.push`.
        """
        from hf_miwv.common.hub.push import push

        return push(self.folder, repo_id, **options)

    @property
    def directions(self) -> list[Direction]:
        """List the directions with hypotheses, in the order of scores.json."""
        return [parse_direction(name) for name in self.scores["directions"]]

    @property
    def metrics(self) -> list[str]:
        """List the metrics, in the order of scores.json."""
        return list(self.scores["metrics"])

    def hypotheses(self, direction: Direction | str) -> list[dict[str, Any]]:
        """Read the lines of EVAL/hypotheses of one direction.

        Args:
            direction (`Direction | str`): The direction.

        Returns:
            `list[dict[str, Any]]`: A dict for each line.

        Raises:
            InputError: It is missing, or cannot be read.
        """
        path = self.folder / HYPOTHESES / f"{direction}.jsonl"
        try:
            with open(path, encoding="utf-8", newline="\n") as file:
                return [json.loads(line) for line in file]
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error

    def counts(self, direction: Direction | str) -> SentenceCounts:
        """Read EVAL/stats of one direction.

        Args:
            direction (`Direction | str`): The direction.

        Returns:
            `SentenceCounts`: The counts, a row per sentence.

        Raises:
            InputError: It is missing, or cannot be read.
        """
        path = self.folder / STATISTICS / f"{direction}.npz"
        try:
            return read_counts(path)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(path, error) from error


def read_evaluation(folder: str | Path) -> Evaluation:
    """Read the evaluation in a folder, here or on the Hub (OWNER/NAME, OWNER/NAME@REVISION).

    Args:
        folder (`str | Path`): The folder, or the id of a data set on the Hub.

    Returns:
        `Evaluation`: Record and scores; what is per sentence is read when it is asked for.

    Raises:
        InputError: There is none, it is damaged, or of another format than this version writes.
    """
    name, folder = str(folder), fetch_folder(folder)
    contents: dict[str, Any] = {}
    for file in (RUN, SCORES):
        path = folder / file
        try:
            contents[file] = respelled(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error
    if contents[RUN].get("command") != "evaluate" or contents[SCORES].get("format") != FORMAT:
        raise InputError(
            f"{name} is no evaluation of format {FORMAT}; give a folder that this version of hf-lmt evaluate wrote"
        )
    return Evaluation(folder, contents[RUN], contents[SCORES], name)


def write_counts(path: Path, counts: SentenceCounts) -> None:
    """Write one direction's counts: whole numbers in the fewest bytes that hold them all.

    Args:
        path (`Path`): The .npz file to write.
        counts (`SentenceCounts`): The counts.
    """
    described = {
        name: {"signature": statistics.signature, "settings": statistics.settings}
        for name, statistics in counts.statistics.items()
    }
    arrays = {f"metric/{name}": _compact(statistics.counts) for name, statistics in counts.statistics.items()}
    arrays |= {f"flag/{name}": flags for name, flags in counts.flags.items()}
    np.savez_compressed(
        path,
        allow_pickle=False,
        asked=counts.has_source,
        metrics=np.array(json_text(described)),
        **arrays,
    )


def read_counts(path: Path) -> SentenceCounts:
    """Read counts that `write_counts` wrote.

    Args:
        path (`Path`): The .npz file.

    Returns:
        `SentenceCounts`: The counts, those of metrics as float64.
    """
    with np.load(path, allow_pickle=False) as arrays:
        described = json.loads(str(arrays["metrics"]))
        statistics = {
            name: Statistics(
                name,
                arrays[f"metric/{name}"].astype(np.float64),
                description["signature"],
                tuple((key, value) for key, value in description["settings"]),
            )
            for name, description in described.items()
        }
        flags = {name.removeprefix("flag/"): arrays[name] for name in arrays.files if name.startswith("flag/")}
        return SentenceCounts(statistics, flags, arrays["asked"])


def _compact(counts: np.ndarray) -> np.ndarray:
    for kind in (np.uint8, np.uint16, np.int32):
        small = counts.astype(kind)
        if np.array_equal(small, counts):
            return small
    return counts


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read ({error}); give a folder that hf-lmt evaluate wrote, whole")
