"""`score`: names and objects in, a scored data set out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from datasets import Dataset, IterableDataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names, loaded_in
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import write_folder
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.prompts.run_date import parse_date, run_date
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.score_pictures import draw_scored
from hf_miwv.results.scored_card import write_card
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.results.statistics import describe
from hf_miwv.rows.columns import check_columns
from hf_miwv.rows.input_rows import take_rows
from hf_miwv.rows.schema import recognize
from hf_miwv.rows.spooling import release, spool
from hf_miwv.scoring.journey import TRAINER_MAX_LENGTH, Journey
from hf_miwv.scoring.make_journey import make_journey
from hf_miwv.scoring.rating_judge import check_rating_judge
from hf_miwv.scoring.score_arguments import check_rows, check_settings
from hf_miwv.scoring.score_steps import run_journey
from hf_miwv.scoring.scorers import check_scorers
from hf_miwv.scoring.scoring_record import complete_record
from hf_miwv.scoring.target_set import read_target

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_EMBEDDER = "BAAI/bge-large-en-v1.5"  # "Bge-en-large" in arXiv 2511.07074

logger = logging.getLogger(__name__)


@former_names({"attention": "attn_implementation", "quantization": loaded_in, "output": "output_dir"})
def score(
    dataset: Any,
    model: Any,
    *,
    split: str | None = None,
    config: str | None = None,
    data_revision: str | None = None,
    field: str | None = None,
    tokenizer: Any = None,
    embedder: str | SentenceTransformer = DEFAULT_EMBEDDER,
    output_dir: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    template: str | None = None,
    pooling: str = "mean",
    embed_text: str = "rendered",
    max_length: int | None = None,
    batch_tokens: int | None = None,
    dtype: str = "auto",
    attn_implementation: str = "auto",
    load_in_4bit: bool = False,
    load_in_8bit: bool = False,
    search: str = "auto",
    neighbors: int = 1,
    avoid_duplicate_neighbors: bool = False,
    demonstrations_from: Any = None,
    demonstrations_split: str | None = None,
    also: Sequence[str] = (),
    complexity_scorer: str | Path | None = None,
    quality_scorer: str | Path | None = None,
    complexity_prompt: str | Path | None = None,
    quality_prompt: str | Path | None = None,
    rating_judge: Any = None,
    rating_judge_model: str | None = None,
    rating_dimension: str | None = None,
    rating_request_fields: Mapping[str, Any] | None = None,
    keep_embeddings: bool = False,
    device: str | None = None,
    model_revision: str | None = None,
    embedder_revision: str | None = None,
    trust_remote_code: bool = False,
    unreadable_rows: str = "refuse",
    trainer_max_length: int = TRAINER_MAX_LENGTH,
    date: str | None = None,
    overwrite: bool = False,
    overwrite_columns: bool = False,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Dataset:
    """Score every row: MIWV = L(y|x,C) - L(y|x) in mean nats per response token.

    High = weak = keep: even with its nearest neighbor C as a worked example the model does badly on the row, so the
    row teaches (arXiv 2511.07074). With planted rows (benchmarks/planted.py) the highest were rows that the model knew
    and the example disturbed, which teach least; `hf_miwv.trial` compares a choice with a random one.

    Args:
        dataset (`str | Path | list | DataFrame | Dataset | DatasetDict | IterableDataset`): Rows of a
            known shape (see `hf_miwv.rows.schema`), at least two: a Hub id or a path, a list of dicts, a
            pandas or polars DataFrame, a `Dataset`, a `DatasetDict` or a stream. A stream is written to
            disk first (see `hf_miwv.rows.spooling`): one without end needs `.take(ROWS)`.
        model (`str | Path | PreTrainedModel`): The causal LM that will be tuned: a Hub id, a folder, a
            GGUF file, or a loaded model together with its `tokenizer`.
        split (`str`, *optional*): Which split, or a slice such as "train[:1000]", of a Hub id, a path or
            a `DatasetDict`; by default the only one or, of a Hub id or path, "train".
        config (`str`, *optional*): The configuration of a Hub data set, or of a folder with several.
        data_revision (`str`, *optional*): Branch, tag or commit of a Hub data set; also as
            OWNER/NAME@REVISION.
        field (`str`, *optional*): The key of a JSON file under which its rows lie.
        tokenizer (`PreTrainedTokenizerBase`, *optional*): The tokenizer of a loaded model; of a model
            by name, in place of the model's.
        embedder (`str | SentenceTransformer`, *optional*, defaults to `"BAAI/bge-large-en-v1.5"`): The
            model that the neighbors are searched with: a Hub id, a folder, or a loaded
            SentenceTransformer.
        output_dir (`str | Path`, *optional*): A folder to write: parquet, card, pictures, run.json. With it,
            a killed run goes on where it stopped when it is called again.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set, for
            rows of another shape.
        template (`str`, *optional*): "alpaca", "chat", "plain" or a Jinja file; the default follows the
            shape.
        pooling (`str`, *optional*, defaults to `"mean"`): "mean" of the token embeddings as in the
            paper, or "model" for the embedder's built-in pooling.
        embed_text (`str`, *optional*, defaults to `"rendered"`): Embed x as "rendered" by the template,
            or the "bare" instruction and input.
        max_length (`int`, *optional*): Tokens of a sequence; by default 2,048, or the model's limit if
            that is smaller.
        batch_tokens (`int`, *optional*): Tokens of a forward pass, padding included; by default 1,024 on
            the CPU, else 16,384.
        dtype (`str`, *optional*, defaults to `"auto"`): Data type of the weights, for a model by name;
            "auto" is the checkpoint's.
        attn_implementation (`str`, *optional*, defaults to `"auto"`): Attention implementation, for a model by
            name: "sdpa", "eager", "flash_attention_2", ...; "auto" is the library's choice.
        load_in_4bit (`bool`, *optional*, defaults to `False`): Weights of a model by name in 4 bits (NF4,
            bitsandbytes); a GGUF file is converted to safetensors first.
        load_in_8bit (`bool`, *optional*, defaults to `False`): In 8 bits.
        search (`str`, *optional*, defaults to `"auto"`): How to search for the neighbors: "exact", by
            "index", or "auto" (see `hf_miwv.neighbors.index`).
        neighbors (`int`, *optional*, defaults to `1`): Score each row behind each of its K nearest rows, by
            (1 + K) passes of which the beginnings are shared; `miwv` and `loss_one_shot` are means over the
            K, and columns with each loss and their spread are added. 1 is the paper's; more are ours.
        avoid_duplicate_neighbors (`bool`, *optional*, defaults to `False`): Take the nearest row with
            another prompt as the neighbor (ours; in the paper it may have the same). Where no row has
            another, rows are flagged `duplicate_neighbor` and scored behind the nearest one.
        demonstrations_from (`str | Path | list | DataFrame | Dataset | DatasetDict`, *optional*): Rows of a task
            that the model is to learn, in any known shape. Each row is scored behind its K = `neighbors` nearest
            of these, too, by K more passes: columns `target_gain`, L(y|x) less the mean of L(y|x,C), high = the
            target's examples help, and `target_neighbors` (ICA, arXiv 2510.14459, with three nearest; RECOST's
            pool). A row with a prompt of the target set is flagged `in_target`, and scored behind examples with
            another prompt.
        demonstrations_split (`str`, *optional*): Which split of `demonstrations_from`, or a slice of it.
        also (`Sequence[str]`, *optional*, defaults to `()`): "ifd" and "superfiltering": measure what
            those methods of `hf_miwv.results.methods` need, by one more pass over each response.
            "influence": add what each row saves others as their worked example, from the same losses; with
            several neighbors it is always added. "kcenter": the order of greedy k-center by the mean hidden states
            of the rows' own passes. "selectit", "selectit_sentence": the model's own rating of each row, one more
            pass, or five. "nuggets": what each row saves eight anchor rows as their example, up to nine passes.
            "deita": complexity x quality by two scorers, a pass of each. "alpagasus": a judge's rating, one answer a
            row.
        complexity_scorer (`str | Path`, *optional*): For "deita": the model that rates how complex an instruction
            is, a Hub id (OWNER/NAME, OWNER/NAME@REVISION) or a folder with safetensors weights, loaded in its own
            type.
        quality_scorer (`str | Path`, *optional*): For "deita": the model that rates how good an answer is.
        complexity_prompt (`str | Path`, *optional*): A text file, what the complexity scorer is asked, with
            {instruction} in the place of the instruction, as on the card of the scorer; the rating follows
            immediately. By default a prompt of ours, which no published scorer was tuned on.
        quality_prompt (`str | Path`, *optional*): The same for the quality scorer, with {instruction} and {output}.
        rating_judge (`str | Path | Judge`, *optional*): For "alpagasus": who rates the responses, the address of an
            OpenAI-compatible endpoint (https://HOST/v1; the key comes from the environment), a model to run here, or
            a judge that is open.
        rating_judge_model (`str`, *optional*): The name of the model behind an endpoint.
        rating_dimension (`str`, *optional*): What is rated, from 0 to 5; by default "accuracy".
        rating_request_fields (`Mapping[str, Any]`, *optional*): Fields to add to the body of each request to an
            endpoint; one that is None is taken out of it.
        keep_embeddings (`bool`, *optional*, defaults to `False`): Add the prompts' unit vectors as a
            column, 4 bytes x D a row; `select` needs them for its `diversity`.
        device (`str`, *optional*): Where to run models loaded by name; by default the accelerator at
            hand, else the CPU.
        model_revision (`str`, *optional*): Branch, tag or commit of the model on the Hub.
        embedder_revision (`str`, *optional*): Branch, tag or commit of the embedder on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Run code that comes with models
            loaded by name.
        unreadable_rows (`str`, *optional*, defaults to `"refuse"`): "refuse" rows that cannot be read or
            that the template refuses, after all were looked at, or "flag" them: they keep their
            position, with no score.
        trainer_max_length (`int`, *optional*, defaults to `1024`): Tokens at which the trainer will cut
            a row; the default is that of trl.SFTConfig. Rows that it would cut are counted.
        date (`str`, *optional*): The date, as in "2026-11-29", for a chat template that prints it; by
            default the day on which the run began.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output_dir` where it holds something.
        overwrite_columns (`bool`, *optional*, defaults to `False`): Replace columns of the data set that
            have the names of the new ones.
        origin (`Mapping[str, Any]`, *optional*): Facts for run.json of where the rows come from
            ("source", "split", "config", "revision", "license", "command_line"), where the data set's
            name does not say them.
        progress (`bool`, *optional*, defaults to `True`): Show bars.

    Returns:
        `Dataset`: The rows in their order with the columns that they had and those of
        `hf_miwv.rows.schema.SCORE_COLUMNS`, then what `also` and `keep_embeddings` ask for; rows that
        cannot be scored have a status that says why, and null.

    Raises:
        InputError: An argument that cannot be used, with what to give instead.
    """
    # Everything that can be refused without a model is refused first: loading may take minutes.
    check_settings(pooling, embed_text, batch_tokens, also, unreadable_rows)
    scorers = {
        "complexity_scorer": complexity_scorer,
        "quality_scorer": quality_scorer,
        "complexity_prompt": complexity_prompt,
        "quality_prompt": quality_prompt,
    }
    check_scorers(also, scorers)
    rating = {
        "rating_judge": rating_judge,
        "rating_judge_model": rating_judge_model,
        "rating_dimension": rating_dimension,
        "rating_request_fields": rating_request_fields,
    }
    check_rating_judge(also, rating)
    if neighbors < 1:
        raise InputError(f"neighbors {neighbors}: give 1, as in the paper, or more")
    if trainer_max_length < 2:
        raise InputError(f"trainer max length {trainer_max_length}: give 2 or more")
    today = parse_date(date)
    processes = Processes.launched()
    progress = progress and processes.first
    folder_run = None
    if output_dir is not None:
        named_inputs = [data for data in (dataset, demonstrations_from) if isinstance(data, (str, Path))]
        inputs = [Source.parse(data).local_path for data in named_inputs]
        folder_run = FolderRun(Path(output_dir), overwrite, inputs=inputs, processes=processes)
    dataset, named = take_rows(dataset, split=split, config=config, revision=data_revision, field=field)
    origin = {**named, **(origin or {})}
    streamed = isinstance(dataset, IterableDataset)
    if isinstance(dataset, IterableDataset):
        spool_output = Path(output_dir) if output_dir is not None else None
        dataset = spool(dataset, spool_output, origin=origin, processes=processes, progress=progress)
    check_rows(dataset, neighbors)
    dataset = check_columns(dataset, overwrite_columns)
    shape = recognize(dataset.column_names, columns, dataset[0])
    target_rows = None
    if demonstrations_from is not None:
        target_rows = read_target(demonstrations_from, demonstrations_split, columns, dataset)
    elif demonstrations_split is not None:
        raise InputError(
            f"demonstrations split {demonstrations_split!r}: of which set? give --demonstrations-from, too"
        )
    journey, run = make_journey(
        dataset,
        shape,
        model,
        target_rows,
        {
            "tokenizer": tokenizer,
            "embedder": embedder,
            "template": template,
            "pooling": pooling,
            "embed_text": embed_text,
            "max_length": max_length,
            "batch_tokens": batch_tokens,
            "dtype": dtype,
            "attn_implementation": attn_implementation,
            "load_in_4bit": load_in_4bit,
            "load_in_8bit": load_in_8bit,
            "search": search,
            "neighbors": neighbors,
            "avoid_duplicate_neighbors": avoid_duplicate_neighbors,
            "also": also,
            **scorers,
            **rating,
            "keep_embeddings": keep_embeddings,
            "device": device,
            "model_revision": model_revision,
            "embedder_revision": embedder_revision,
            "trust_remote_code": trust_remote_code,
            "unreadable_rows": unreadable_rows,
            "trainer_max_length": trainer_max_length,
        },
        origin=origin,
        today=today or (lambda chat_tokenizer: run_date(chat_tokenizer, output_dir, overwrite, processes)),
        processes=processes,
        progress=progress,
    )
    if folder_run is None:
        # Without an output nothing can be resumed, but the steps write their chunks and journals all the same.
        with TemporaryDirectory() as folder, Workspace(Path(folder) / "work") as workspace:
            workspace.claim(run["identity"])
            return run_journey(journey, workspace)
    scored = _score_to_folder(journey, run, folder_run)
    return _leave_spool(folder_run.output, processes) if streamed else scored


def _score_to_folder(journey: Journey, run: ScoredRecord, folder_run: FolderRun) -> Dataset:
    processes, output = journey.processes, folder_run.output
    if folder_run.is_finished(run["identity"]):
        return read_dataset(str(output))
    with folder_run.work(run["identity"], part=processes.name()) as workspace:
        scored = write_scored(journey, run, output, workspace)
        processes.agree(None)  # nobody leaves before the output is there
    return scored


def write_scored(journey: Journey, run: ScoredRecord, output: Path, workspace: Workspace) -> Dataset:
    """Run the journey and write its folder, with card, pictures and record; the first process alone writes.

    Args:
        journey (`Journey`): The run.
        run (`ScoredRecord`): Its record, as it was begun.
        output (`Path`): The folder to write.
        workspace (`Workspace`): The open workspace.

    Returns:
        `Dataset`: The scored rows.
    """
    scored = run_journey(journey, workspace)
    columns = ScoreColumns.from_dataset(scored)
    run = complete_record(run, journey, describe(columns))

    def decorate(folder: Path) -> None:
        write_card(run, draw_scored(columns, folder), folder)

    if journey.processes.first:
        write_folder(output, workspace, scored, run, decorate)
    return scored


def _leave_spool(output: Path, processes: Processes) -> Dataset:
    """Read the result from `output`, and remove the spool that the rows of `score` lay in."""
    processes.agree(None)
    if processes.first:
        release(output)
    return read_dataset(str(output))
