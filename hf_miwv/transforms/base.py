"""The base of all map transforms: settings that pickle, models that do not, columns with a type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any

import multiprocess
import pyarrow
import xxhash
from datasets.arrow_writer import TypedSequence

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.hub_errors import hub_error
from hf_miwv.common.models.model_tokenizer import read_tokenizer
from hf_miwv.common.models.models import locate_weights
from hf_miwv.common.runs.record import package_version
from hf_miwv.prompts.choose_prompts import Prompts, choose_prompts
from hf_miwv.prompts.run_date import parse_date
from hf_miwv.prompts.text_template import SHIPPED
from hf_miwv.rows.columns import FEATURES
from hf_miwv.rows.examples import Example, read_example
from hf_miwv.rows.schema import Shape

Batch = Mapping[str, Any]  # column -> list of values, as `map(..., batched=True)` hands it over

RENDERED = "rendered_prompt"
DEMONSTRATION = "demonstration_"  # before the names of the neighbor's columns
MACHINE = ("device", "batch_tokens")  # where and how fast; it moves a result by rounding only
LARGE = 1 << 24  # bytes; larger files are not read for a digest
HOW_TO_MAP = (
    "call map(..., batched=True) on rows without a format, as in dataset.with_format(None).map(step, batched=True)"
)
LOCATION = "this batch"  # name of the rows in messages: a batch does not know its position in the data


@dataclass
class Transform:
    """Base of the callables for `datasets.map(transform, batched=True)`, whose pickle is their settings alone.

    `datasets` names a cached result after the hash of the transform's pickle. So the pickle holds
    the fields of the dataclass, digests of the local files that they name, and the version of
    this package (a class is pickled by name, which does not show its code). It never holds a
    loaded model, nor the fields of MACHINE: an unpickled copy has their defaults.

    Attributes:
        digests (`dict[str, str | None]`): Field -> digest of the local file or folder that it names.
    """

    digests: dict[str, str | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.sources().items():
            setattr(self, name, _checked_name(type(self).__name__, name, value))
        self.digests = self._digests()

    def sources(self) -> dict[str, Any]:
        """Return the fields that name a model, a folder or a file."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        # Device and batch size change a result by rounding only, so a result from another machine may be used.
        names = [part.name for part in fields(self) if part.name not in MACHINE]
        return {**{name: getattr(self, name) for name in names}, "hf_miwv": package_version()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: value for name, value in state.items() if name != "hf_miwv"})

    def check_unchanged(self) -> None:
        """Check that each local file is still the one that the pickle stands for.

        Raises:
            InputError: one has changed.
        """
        digests = self._digests()
        for name, source in self.sources().items():
            if digests[name] != self.digests[name]:
                raise InputError(f"{source} has changed since this {type(self).__name__} was made: make it again")

    def refuse_worker(self) -> None:
        """Refuse to run in a worker of `map(num_proc=...)`.

        Raises:
            InputError: this process is one.
        """
        if multiprocess.parent_process() is not None:  # the package that `datasets` forks with
            raise InputError(
                f"{type(self).__name__} loads or searches what num_proc would load or search in "
                "every process: leave num_proc out; for several devices, `accelerate launch -m "
                "hf_miwv score`, or a process of your own for each dataset.shard(...)"
            )

    def _digests(self) -> dict[str, str | None]:
        return {name: content_digest(source) for name, source in self.sources().items()}


@dataclass
class PromptTransform(Transform):
    """Base of the steps that render rows by a template: the tokenizer's own, a shipped one or a file.

    Attributes:
        model (`str`): The causal LM: a Hub id, a folder or a GGUF file.
        template (`str`, *optional*): "alpaca", "chat", "plain" or a Jinja file; by default by the rows.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.
        revision (`str`, *optional*): Branch, tag or commit of the model on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Run code that comes with the model.
        date (`str`, *optional*): The date for a chat template that prints it.
    """

    model: str
    _: KW_ONLY
    template: str | None = None
    columns: Mapping[str, str] | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    date: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_date(self.date)

    def sources(self) -> dict[str, Any]:
        """Return the model and, where it is a file, the template."""
        names = {"model": self.model}
        if self.template is not None and self.template not in ("chat", *SHIPPED):
            names["template"] = self.template
        return names

    def prompts(self, tokenizer: Any, shape: Shape, examples: Sequence[Example]) -> Prompts:
        """Choose the template for these rows, with its tokenizer.

        Args:
            tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.
            shape (`Shape`): Shape of the rows.
            examples (`Sequence[Example]`): The rows of a batch.

        Returns:
            `Prompts`: The template.
        """
        conversational = examples[0].turns is not None
        today = parse_date(self.date)
        return choose_prompts(self.template, tokenizer, shape.name, conversational, today)


def content_digest(source: str) -> str | None:
    """Hash a local file or folder cheaply.

    Files up to 16 MiB (configurations, tokenizers, templates) count by name and bytes, larger
    ones (weights) by name, size and time of change: to read them would take as long as to load
    them. Hidden files do not count.

    Args:
        source (`str`): A path, or a name on the Hub.

    Returns:
        `str | None`: Hexadecimal digits; None for a name on the Hub.
    """
    path = Path(source).expanduser()
    if not path.exists():
        return None
    digest = xxhash.xxh3_128()
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        name = file.relative_to(path)
        # Hidden files are the bookkeeping of other programs, such as the Hub client's, and change by themselves.
        if file.is_dir() or any(part.startswith(".") for part in name.parts):
            continue
        status = file.stat()
        digest.update(f"{name} {status.st_size} ".encode())
        large = status.st_size > LARGE
        digest.update(str(status.st_mtime_ns).encode() if large else file.read_bytes())
    return digest.hexdigest()


def load_tokenizer(source: str, *, revision: str | None, trust_remote_code: bool) -> Any:
    """Load the tokenizer of a model, from a Hub id, a folder, or a GGUF file or folder.

    Args:
        source (`str`): Name of the model.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.
        trust_remote_code (`bool`): Run code that comes with it.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer.

    Raises:
        InputError: no such model, or one without a tokenizer.
    """
    name, gguf = locate_weights(source)
    options = {"revision": revision, "trust_remote_code": trust_remote_code, **gguf}
    try:
        return read_tokenizer(name, **options)
    except (OSError, ValueError, ImportError) as error:
        raise hub_error("tokenizer", source, error) from error


class TypedColumn(list[Any]):
    """List that tells Arrow its type.

    `map` takes a new column's type from the first batch, where all flags may be empty and all
    losses null, and then refuses the next batch.

    Args:
        values (`Iterable[Any]`): The values.
        feature (`datasets.Feature`): Their type.
    """

    def __init__(self, values: Iterable[Any], feature: Any) -> None:
        super().__init__(values)
        self.feature = feature

    def __arrow_array__(self, type: pyarrow.DataType | None = None) -> pyarrow.Array:
        return pyarrow.array(TypedSequence(list(self), type=self.feature))


def score_columns(values: Mapping[str, Iterable[Any]]) -> dict[str, TypedColumn]:
    """Return columns that `score` writes too, in the types that it gives them; nan becomes null.

    Args:
        values (`Mapping[str, Iterable[Any]]`): Column -> values.

    Returns:
        `dict[str, TypedColumn]`: The same with their types.
    """
    return {
        name: TypedColumn((None if value != value else value for value in column), FEATURES[name])
        for name, column in values.items()
    }


def take(batch: Batch, column: str, before: str) -> list[Any]:
    """Take a column that an earlier step added, as a list of plain values.

    Args:
        batch (`Batch`): The batch.
        column (`str`): The column.
        before (`str`): Name of the step that adds it.

    Returns:
        `list[Any]`: Its values.

    Raises:
        InputError: it is missing, or holds tensors or arrays, as a data set with a format gives
            them: a template would write `tensor(1)` where the row says 1.
    """
    if column not in batch:
        raise InputError(f"the rows have no column {column!r}: map {before} first")
    values = batch[column]
    formatted = values if not isinstance(values, list) else _array_within(values)
    if formatted is not None:
        raise InputError(
            f"column {column!r} came as {type(formatted).__name__}, not as a list of plain values: {HOW_TO_MAP}"
        )
    return values


def refuse_taken(batch: Batch, columns: Sequence[str]) -> None:
    """Refuse rows that have columns which a step would write over.

    Every step calls it first, so it also refuses an object that is no batch.

    Args:
        batch (`Batch`): The batch.
        columns (`Sequence[str]`): Columns that the step adds.

    Raises:
        InputError: some of them exist, or the batch is none.
    """
    if not isinstance(batch, Mapping):
        raise InputError(f"the rows came as {type(batch).__name__}, not by column: {HOW_TO_MAP}")
    existing_columns = [name for name in columns if name in batch]
    if existing_columns:
        raise InputError(
            f"the rows already have the column{'s' * (len(existing_columns) > 1)} {', '.join(existing_columns)}; "
            "rename them, or remove them with remove_columns"
        )


def read_examples(batch: Batch, shape: Shape, prefix: str = "") -> list[Example]:
    """Read the rows of a batch.

    Args:
        batch (`Batch`): The batch.
        shape (`Shape`): Shape of the rows.
        prefix (`str`, *optional*, defaults to `""`): Beginning of the columns' names, before those of `shape`.

    Returns:
        `list[Example]`: The rows.

    Raises:
        InputError: a row cannot be read.
    """
    names = list(shape.columns.values())
    columns = [take(batch, prefix + name, "AttachDemonstration") for name in names]
    return [
        read_example(dict(zip(names, values, strict=True)), shape, index, LOCATION)
        for index, values in enumerate(zip(*columns, strict=True))
    ]


def prompt_texts(prompts: Prompts, examples: Sequence[Example]) -> list[str]:
    """Render x of each row as text.

    Args:
        prompts (`Prompts`): The template.
        examples (`Sequence[Example]`): B rows.

    Returns:
        `list[str]`: B texts.

    Raises:
        InputError: the template fails on a row, which is named.
    """
    texts = []
    for index, example in enumerate(examples):
        try:
            texts.append(prompts.prompt_text(example))
        except InputError as error:
            raise InputError(f"{LOCATION}: row {index}: {error}") from error
    return texts


def _array_within(value: Any) -> Any | None:
    """Return the first tensor or array in a nested value; None where all is plain."""
    if isinstance(value, (list, dict)):
        parts = value.values() if isinstance(value, dict) else value
        return next((part for part in map(_array_within, parts) if part is not None), None)
    return value if hasattr(value, "dtype") else None


def _checked_name(step: str, field_name: str, value: Any) -> str:
    if isinstance(value, (str, Path)):
        return str(value)
    raise InputError(
        f"{step}: {field_name} came as {type(value).__name__}, and a loaded object has no hash "
        "that is the same tomorrow: give a Hub id or a folder (save_pretrained writes one)"
    )
