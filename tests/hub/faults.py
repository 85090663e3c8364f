"""What a server does wrong when it is told to."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field


@dataclass
class Fault:
    """A misdeed for the next requests whose "METHOD /path" has `where` in it.

    Attributes:
        where: a regular expression, searched for.
        times: how many requests it befalls.
        status: what they are answered with, with `message` and `headers`.
        after_done: the request is carried out first, and only its answer is the fault's.
        cut: so many bytes of the request's body are read, then the connection is closed.
        cut_answer: so many bytes of the answer's body are sent, then the connection is closed.
        wait: an event; the request is held until it is set.
    """

    where: str
    times: int = 1
    status: int | None = None
    message: str = "told to"
    headers: dict[str, str] = field(default_factory=dict)
    after_done: bool = False
    cut: int | None = None
    cut_answer: int | None = None
    wait: threading.Event | None = None
    met: threading.Event = field(default_factory=threading.Event)


class Faults:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def next_for(self, request: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.where, request):
                    fault.times -= 1
                    fault.met.set()
                    return fault
        return None
