"""Runs lanes side by side. A lane is a target of make, in a process group of its own and with a limit of its own."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from lanes import record

Command = Callable[[str], Sequence[str]]
#: Seconds that a lane gets to take its labs down when it is told to end.
GRACE = 30.0
KEPT_LINES = 40


@dataclass(frozen=True)
class Lane:
    """A target, its limit in seconds, and the lanes that it must not run beside."""

    name: str
    limit: float
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ended:
    """What became of a lane. `cpu` are the seconds of its processes; what a lab's machines use is not among them."""

    name: str
    status: int
    seconds: float
    cpu: float
    why: str
    last: str


def parse(word: str) -> Lane:
    """A lane as the Makefile writes it: NAME:MINUTES, or NAME:MINUTES:OTHER,OTHER."""
    name, _, rest = word.partition(":")
    minutes, _, apart = rest.partition(":")
    if not name or not minutes.isdigit():
        raise SystemExit(f"'{word}' is no lane: write NAME:MINUTES, or NAME:MINUTES:OTHER,OTHER in the Makefile.")
    return Lane(name, 60.0 * int(minutes), frozenset(filter(None, apart.split(","))))


class Runner:
    """Runs a list of lanes, `jobs` at a time, those first that come first."""

    def __init__(self, lanes: Sequence[Lane], jobs: int, command: Command, grace: float = GRACE) -> None:
        self.waiting = list(lanes)
        self.jobs, self.command, self.grace = jobs, command, grace
        self.running: dict[str, Lane] = {}
        self.ended: list[Ended] = []
        self.changed = threading.Condition()
        self.stopped, self._stop = os.pipe()
        self.stopping = False

    def _told_to_stop(self) -> bool:
        self.stopping = self.stopping or bool(_poll([self.stopped], 0))
        return self.stopping

    def run(self) -> list[Ended]:
        """All lanes, in the order in which they ended."""
        workers = [threading.Thread(target=self._work) for _job in range(self.jobs)]
        try:
            with self._ends_at_signals():
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
                self._told_to_stop()
            return self.ended
        finally:
            os.close(self.stopped)
            os.close(self._stop)

    @contextmanager
    def _ends_at_signals(self) -> Iterator[None]:
        """Every worker looks at the pipe, which Python writes to at once. A handler runs in the main thread, too late
        where that was just about to wait."""
        os.set_blocking(self._stop, False)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, lambda _signal, _frame: None) for number in numbers}
        wakeup = signal.set_wakeup_fd(self._stop)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _work(self) -> None:
        while lane := self._next():
            ended = self._one(lane)
            with self.changed:
                del self.running[lane.name]
                self.ended.append(ended)
                self.changed.notify_all()

    def _next(self) -> Lane | None:
        """The first that may run beside those that do; none when all have begun, or the run is told to end."""
        with self.changed:
            while self.waiting and not self._told_to_stop():
                for lane in self.waiting:
                    if not any(_apart(lane, other) for other in self.running.values()):
                        self.waiting.remove(lane)
                        self.running[lane.name] = lane
                        return lane
                self.changed.wait()
            return None

    def _one(self, lane: Lane) -> Ended:
        begin = time.monotonic()
        process = subprocess.Popen(
            self.command(lane.name),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True, env={**os.environ, record.LANE: lane.name},
        )  # fmt: skip
        assert process.stdout
        last: deque[str] = deque(maxlen=KEPT_LINES)
        reader = threading.Thread(target=_pass_on, args=(lane.name, process.stdout, last), daemon=True)
        reader.start()
        why = self._wait(process.pid, lane.limit)
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        # What a lane left behind may hold its output open for ever.
        reader.join(timeout=5)
        if process.returncode and not why:
            why = f"exit status {process.returncode}"
        cpu = usage.ru_utime + usage.ru_stime
        say(lane.name, f"lane: {why or 'ok'} after {time.monotonic() - begin:.0f} s")
        return Ended(lane.name, 1 if why else 0, time.monotonic() - begin, cpu, why, "".join(last))

    def _wait(self, pid: int, limit: float) -> str:
        """Wait until the lane ends by itself, else end it; the reason why it had to be ended."""
        pidfd = os.pidfd_open(pid)
        try:
            events = _poll([pidfd, self.stopped], limit)
            if pidfd in events:
                return ""
            # pytest takes labs down when it is interrupted; whatever is left then is killed.
            _signal_group(pid, signal.SIGINT)
            _poll([pidfd], self.grace)
            _signal_group(pid, signal.SIGKILL)
            _poll([pidfd], None)
            return "ended with the run" if events else f"killed: over its limit of {limit / 60:g} minutes"
        finally:
            os.close(pidfd)


def _apart(one: Lane, other: Lane) -> bool:
    return other.name in one.apart or one.name in other.apart


def _poll(files: Sequence[int], seconds: float | None) -> set[int]:
    """Which of the files have something to say, at the latest after some seconds."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return {file for file, _event in poll.poll(None if seconds is None else 1000 * seconds)}


def _signal_group(pid: int, number: int) -> None:
    # The leader is not waited for yet, so the group's number is still its own.
    os.killpg(pid, number)


def _pass_on(name: str, stream: IO[str], last: deque[str]) -> None:
    with stream:
        for line in stream:
            last.append(line)
            say(name, line.rstrip("\n"))


_saying = threading.Lock()


def say(name: str, line: str) -> None:
    """One line of output, with its lane before it."""
    with _saying:
        print(f"{name} │ {line}", flush=True)
