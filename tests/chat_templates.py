"""Chat templates with the traits of real ones, written for the tests, and rows of every kind."""

from __future__ import annotations

from typing import Any

# Think blocks: moved out of the content, cut from earlier exchanges, written where there is none.
# Tools stand in the system turn, answers of tools in a user turn.
REASONING = (
    "{%- macro thoughts(m) -%}{%- if m.reasoning_content is string -%}{{ m.reasoning_content }}"
    "{%- elif m.content is string and '</think>' in m.content -%}"
    "{{ m.content.split('</think>')[0].split('<think>')[-1].strip('\n') }}{%- endif -%}"
    "{%- endmacro -%}"
    "{%- if tools -%}<|im_start|>system\n"
    "{%- if messages[0].role == 'system' -%}{{ messages[0].content }}\n{% endif -%}# Tools\n"
    "{%- for tool in tools %}{{ tool | tojson }}\n{% endfor -%}<|im_end|>\n"
    "{%- elif messages[0].role == 'system' -%}<|im_start|>system\n{{ messages[0].content }}"
    "<|im_end|>\n{% endif -%}"
    "{%- set ns = namespace(last=0) -%}"
    "{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}"
    "{%- endif -%}{%- endfor -%}"
    "{%- for m in messages -%}"
    "{%- if m.role == 'user' or (m.role == 'system' and not loop.first) -%}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{%- elif m.role == 'assistant' -%}"
    "{%- set content = (m.content or '').split('</think>')[-1].lstrip('\n') -%}"
    "<|im_start|>assistant\n"
    "{%- if loop.index0 > ns.last and (loop.last or thoughts(m)) -%}"
    "<think>\n{{ thoughts(m) | trim }}\n</think>\n\n{% endif -%}"
    "{{ content }}"
    "{%- for call in m.tool_calls or [] -%}{%- if not loop.first or content -%}\n{%- endif -%}"
    "<tool_call>\n{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}"
    "\n</tool_call>{%- endfor -%}<|im_end|>\n"
    "{%- elif m.role == 'tool' -%}"
    "<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and enable_thinking is false -%}<think>\n\n</think>\n\n"
    "{%- endif -%}{%- endif -%}"
).replace("-%}<think>", "-%}{{ '' }}<think>")
# A start token, today's date and tools in a system turn that is always there.
DATED = (
    "<s><|im_start|>system\n\nToday: {{ date_string or strftime_now('%d %b %Y') }}\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content | trim }}{% endif %}"
    "{% for tool in tools or [] %}\n{{ tool | tojson }}{% endfor %}<|im_end|>"
    "{% for m in messages %}{% if not (loop.first and m.role == 'system') %}"
    "<|im_start|>{{ m.role }}\n\n{{ (m.content or '') | trim }}"
    "{% for call in m.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}<|im_end|>"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Refuses system turns and calls, trims contents, has no special token behind a turn.
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role not in ('user', 'assistant') or m.tool_calls %}"
    "{{ raise_exception(m.role ~ ' turns and calls are not supported') }}{% endif %}"
    "{{ 'model' if m.role == 'assistant' else m.role }}:\n{{ m.content | trim }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}model:\n{% endif %}"
)
# The generation prompt opens the think block; earlier exchanges lose theirs.
OPENS_THINK = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>assistant\n"
    "{% if loop.last %}{{ m.content or '' }}{% else %}"
    "{{ (m.content or '').split('</think>')[-1].lstrip('\n') }}{% endif %}"
    "{% for call in m.tool_calls or [] %}<call>{{ call.function.name }}</call>{% endfor %}"
    "<|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
TEMPLATES = {
    "reasoning": REASONING,
    "dated": DATED,
    "plain": PLAIN,
    "no system": NO_SYSTEM,
    "opens think": OPENS_THINK,
}


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: Any, **others: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **others}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def tool(name: str, description: str = "weather of a city", **properties: str) -> dict[str, Any]:
    kinds = {key: {"type": kind} for key, kind in (properties or {"city": "string"}).items()}
    parameters = {"type": "object", "properties": kinds}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


SYSTEM = {"role": "system", "content": "write a poem"}
TOOLS = [tool("weather")]
TWO_TOOLS = [tool("weather"), tool("add", "add two", a="number", b="number")]
THOUGHT = "<think>\nadd two and three\n</think>\n\n"
RAIN = {"role": "tool", "name": "weather", "content": "rain"}


def conversation(*turns: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """A row as trl has it: prompt, completion, tools and chat_template_kwargs."""
    return {"prompt": list(turns[:-1]), "completion": [turns[-1]], **arguments}


def sharegpt(*turns: tuple[str, Any], **columns: Any) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in turns], **columns}


def _as_messages(row: dict[str, Any]) -> dict[str, Any]:
    others = {key: row[key] for key in ("tools", "chat_template_kwargs") if key in row}
    return {"messages": row["prompt"] + row["completion"], **others}


# name -> (the row as people write it, the same as trl has it)
_ALIKE = {
    "one exchange": conversation(user("hello"), answer("world")),
    "many turns": conversation(user("hello"), answer("world"), user("add two and three"), answer("five")),
    "system turn": conversation(SYSTEM, user("hello"), answer("rain")),
    "reasoning": conversation(user("add"), answer("five", reasoning_content="two and three")),
    "reasoning in earlier turns": conversation(
        user("add"),
        answer("five", reasoning_content="two and three"),
        user("hello"),
        answer("world", reasoning_content="name the world"),
    ),
    "think inline": conversation(user("add"), answer(THOUGHT + "five")),
    "think inline in earlier turns": conversation(
        user("add"),
        answer("<think>\nname water\n</think>\n\nfive"),
        user("hello"),
        answer(THOUGHT + "world"),
    ),
    "empty think inline": conversation(user("add"), answer("<think>\n\n</think>\n\nfive")),
    "tools not called": conversation(user("hello"), answer("world"), tools=TOOLS),
    "a call is the answer": conversation(
        user("rain?"), answer("", tool_calls=[call("weather", city="paris")]), tools=TOOLS
    ),
    "null content": conversation(user("rain?"), answer(None, tool_calls=[call("weather", city="paris")]), tools=TOOLS),
    "parallel calls": conversation(
        user("rain?"),
        answer("hello", tool_calls=[call("weather", city="paris"), call("add", a=2, b=3)]),
        tools=TWO_TOOLS,
    ),
    "tool answers": conversation(
        user("rain?"),
        answer("", tool_calls=[call("weather", city="paris")]),
        RAIN,
        answer("rain in paris"),
        tools=TOOLS,
    ),
    "tools, system turn and reasoning": conversation(
        SYSTEM, user("rain?"), answer("rain", reasoning_content="what is water"), tools=TWO_TOOLS
    ),
    "template arguments": conversation(
        user("hello"), answer("world"), chat_template_kwargs={"enable_thinking": False}
    ),
    "date by argument": conversation(
        user("hello"), answer("world"), chat_template_kwargs={"date_string": "1 May 2001"}
    ),
    "spaces around": conversation(user(" hello \n"), answer("\n world \n")),
    "markers in the text": conversation(user("assistant:\n"), answer("model:\nuser")),
}
ROWS = {
    **{f"{name}, prompt and completion": (row, row) for name, row in _ALIKE.items()},
    **{f"{name}, messages": (_as_messages(row), row) for name, row in _ALIKE.items()},
    "system column": (
        {"system": "write a poem", "messages": [user("hello"), answer("rain")]},
        conversation(SYSTEM, user("hello"), answer("rain")),
    ),
    "sharegpt with system and tools": (
        sharegpt(
            ("human", "rain?"),
            ("function_call", '{"name": "weather", "arguments": {"city": "paris"}}'),
            ("observation", "rain"),
            ("gpt", "rain in paris"),
            system="write a poem",
            tools='[{"type": "function", "function": {"name": "weather", "parameters": {}}}]',
        ),
        conversation(
            SYSTEM,
            user("rain?"),
            answer("", tool_calls=[call("weather", city="paris")]),
            {"role": "tool", "content": "rain"},
            answer("rain in paris"),
            tools=[{"type": "function", "function": {"name": "weather", "parameters": {}}}],
        ),
    ),
    "sharegpt, parallel calls as the answer": (
        sharegpt(
            ("Human", "rain?"),
            (
                "FUNCTION_CALL",
                '[{"name": "weather", "arguments": {"city": "paris"}}, {"name": "add", "arguments": "{\\"a\\": 2}"}]',
            ),
        ),
        conversation(user("rain?"), answer("", tool_calls=[call("weather", city="paris"), call("add", a=2)])),
    ),
    "from and value in messages": (
        {"messages": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "world"}]},
        conversation(user("hello"), answer("world")),
    ),
    "other role names": (
        {"messages": [{"role": "Human", "content": "hello"}, {"role": "bot", "content": "world"}]},
        conversation(user("hello"), answer("world")),
    ),
    "text parts": (
        {
            "messages": [
                user([{"type": "text", "text": "hello "}, {"type": "text", "text": "rain"}]),
                answer([{"type": "text", "text": "world"}]),
            ]
        },
        conversation(user("hello rain"), answer("world")),
    ),
    "chosen is the whole conversation": (
        {"prompt": "hello", "chosen": [user("hello"), answer("world")], "rejected": [user("hello"), answer("no")]},
        conversation(user("hello"), answer("world")),
    ),
    "chosen is the answer": (
        {"prompt": [user("hello")], "chosen": [answer("world")], "rejected": [answer("no")]},
        conversation(user("hello"), answer("world")),
    ),
    "alpaca with system and history": (
        {
            "instruction": "add",
            "input": "two",
            "output": "five",
            "system": "write a poem",
            "history": [["hello", "world"]],
        },
        conversation(SYSTEM, user("hello"), answer("world"), user("add\n\ntwo"), answer("five")),
    ),
}
