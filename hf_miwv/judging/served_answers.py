"""answer_by_endpoint(): prompts in, a JSON Lines file of a served model's answers out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock
from typing import Any

from datasets import Dataset

from hf_miwv.common.endpoint import RETRIES, Endpoint, EndpointWords, Reply, endpoint_url
from hf_miwv.common.errors import InputError
from hf_miwv.common.progress import stage
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.common.runs.folder import check_file, write_errors
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.judging.answering import (
    DEFAULT_TEMPLATE,
    JOURNAL,
    check_output_format,
    read_finished,
    read_questions,
    write_answers,
)
from hf_miwv.prompts.text_template import TextTemplate
from hf_miwv.rows.examples import Example

CHAT_PATH, TEXT_PATH = "/chat/completions", "/completions"
NOT_TAKEN = (400, 413, 422)  # the endpoint does not take this one prompt: too long, filtered
REFUSED = "refused"  # the status of its answer
WORDS = EndpointWords(
    subject="endpoint",
    purpose="answers by an endpoint",
    time_limit=" (--timeout)",
    check="--base-url and --model",
    keeps="answers that were given are kept, and the same command goes on from there",
)

logger = logging.getLogger(__name__)


def answer_by_endpoint(
    dataset: Dataset,
    base_url: str,
    model: str,
    output: Path,
    *,
    source: str = "data",
    template: str | None = None,
    max_new_tokens: int = 1024,
    request_fields: Mapping[str, Any] | None = None,
    timeout: float = 120.0,
    concurrency: int = 8,
    retries: int = RETRIES,
    output_format: str = "jsonl",
    overwrite: bool = False,
    progress: bool = True,
    command_line: Sequence[str] | None = None,
) -> Counter[str]:
    """Let a model behind an OpenAI-compatible endpoint answer every prompt at temperature 0.

    With template "chat" the prompt is sent as a turn of the user to /chat/completions, and the endpoint renders it by
    the model's chat template; with any other it is rendered here and sent as text to /completions, where the endpoint
    puts its tokenizer's start token before it, as in scoring. Equal prompts are sent once.

    Lines and statuses are those of `answer`, but for "refused" (with an empty output), which is a prompt that the
    endpoint does not take: too long, as a rule. A reply that does not say that it was cut counts as "complete".
    Replies are written down one by one in OUTPUT.work, and the same call goes on after a kill.

    Args:
        dataset (`Dataset`): The rows with prompts.
        base_url (`str`): Address of the endpoint, http://HOST:8000/v1.
        model (`str`): Name of the model behind it.
        output (`Path`): The JSON Lines file to write.
        source (`str`, *optional*, defaults to `"data"`): The data set's name in messages.
        template (`str`, *optional*): "alpaca" (default), "chat", "plain" or a Jinja file, as in `score`.
        max_new_tokens (`int`, *optional*, defaults to `1024`): Tokens of an answer, at most.
        request_fields (`Mapping[str, Any]`, *optional*): Fields to add to the body of each request; one that is None
            is taken out of it.
        timeout (`float`, *optional*, defaults to `120.0`): Seconds to wait for a reply.
        concurrency (`int`, *optional*, defaults to `8`): Requests at a time.
        retries (`int`, *optional*, defaults to `RETRIES`): Further attempts at a request.
        output_format (`str`, *optional*, defaults to `"jsonl"`): "jsonl" or "alpaca_eval", as in `answer`.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it exists.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.
        command_line (`Sequence[str]`, *optional*): By which the same command is known after a kill.

    Returns:
        `Counter[str]`: How many rows have each status.

    Raises:
        InputError: A row without a prompt, a template that fails, an output that exists, an address or key that
            cannot be used, an endpoint that cannot be had or takes no prompt at all, an unknown format.
    """
    check_output_format(output_format)
    check_file(output, overwrite, command_line=command_line)
    template = template or DEFAULT_TEMPLATE
    path = CHAT_PATH if template == "chat" else TEXT_PATH
    url = endpoint_url(base_url, path, WORDS.subject)
    endpoint = Endpoint(
        url, path, WORDS, timeout=timeout, concurrency=concurrency, retries=retries, accepted=NOT_TAKEN
    )
    body = {"model": model, "temperature": 0, "max_tokens": max_new_tokens, **(request_fields or {})}
    # Some endpoints refuse temperature or max_tokens: a null in `request_fields` takes them out.
    body = {field: value for field, value in body.items() if value is not None}
    texts = _prompt_texts(read_questions(dataset, source), template, source)
    base = json_text([url, body], sort_keys=True)
    keys = [hashlib.sha256(f"{base} {text}".encode(errors="surrogatepass")).hexdigest() for text in texts]
    bodies = {
        key: {**body, **({"messages": [{"role": "user", "content": text}]} if path == CHAT_PATH else {"prompt": text})}
        for key, text in zip(keys, texts, strict=True)
    }
    with write_errors(output), Workspace(workspace_of(output)) as workspace:
        replies = _ask_all(endpoint, bodies, concurrency, workspace, progress)
        answers = [replies[key] for key in keys]
        _check_refusals(url, answers)
        shown = [("" if status == REFUSED else text, status) for text, status in answers]
        write_answers(output, dataset, shown, model, workspace, command_line, output_format)
    return Counter(status for _, status in answers)


def _prompt_texts(examples: Sequence[Example], template: str, source: str) -> list[str]:
    """Return the text of each prompt, as a turn of the user or by a text template."""
    if template == "chat":
        return [example.bare_prompt for example in examples]
    text_template = TextTemplate(template)
    texts = []
    for index, example in enumerate(examples):
        try:
            texts.append(text_template.render(example))
        except RowError as fault:
            raise InputError(f"{source}: row {index}: {fault}") from fault
    return texts


def _ask_all(
    endpoint: Endpoint,
    bodies: Mapping[str, Mapping[str, Any]],
    concurrency: int,
    workspace: Workspace,
    progress: bool,
) -> dict[str, tuple[str, str]]:
    """Return text (of a refusal its reason) and status of each body's reply; what the journal holds is not asked."""
    replies = read_finished(workspace, bodies)
    missing = [key for key in bodies if key not in replies]
    stop, lock = Event(), Lock()

    def ask(key: str) -> None:
        if stop.is_set():
            return
        try:
            reply = _read(endpoint.url, endpoint.post(bodies[key]))
            # Threads share the journal, and two lines written at once would be torn.
            with lock:
                workspace.append_journal(JOURNAL, [(key, *reply)])
                replies[key] = reply
        except BaseException:
            stop.set()
            raise

    with (
        stage("answering", "prompt", len(bodies), initial=len(replies), show=progress) as bar,
        ThreadPoolExecutor(concurrency) as pool,
        ExitStack() as stack,
    ):
        stack.callback(stop.set)  # also on Ctrl-C: the pool waits only for what is under way
        requests = [pool.submit(ask, key) for key in missing]
        for _ in as_completed(requests):
            bar.update(1)
    for request in requests:
        request.result()  # raises the fault, if there was one
    return replies


def _read(url: str, reply: Reply) -> tuple[str, str]:
    """Return text and status of a reply; "" where it has no text (a reply that a filter took away)."""
    if reply.status in NOT_TAKEN:
        return f"status {reply.status}: {reply.first_words}", REFUSED
    try:
        choice = json.loads(reply.text)["choices"][0]
        text = choice["message"].get("content") if "message" in choice else choice["text"]
        cut = choice.get("finish_reason") == "length"
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"endpoint {url}: answers with something else than a completion ({reply.first_words}); give the address "
            "of an OpenAI-compatible endpoint"
        ) from error
    return (text.strip() if isinstance(text, str) else ""), "cut" if cut else "complete"


def _check_refusals(url: str, answers: Sequence[tuple[str, str]]) -> None:
    """Raise InputError where the endpoint takes no prompt at all; warn of single ones that it does not take."""
    reasons = [text for text, status in answers if status == REFUSED]
    if reasons and len(reasons) == len(answers):
        raise InputError(f"endpoint {url}: refuses all {len(answers)} prompts; the first with: {reasons[0]}")
    if reasons:
        logger.warning(
            "the endpoint refuses %d of %d prompts, whose answers are empty; the first with: %s",
            len(reasons),
            len(answers),
            reasons[0],
        )
