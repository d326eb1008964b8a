"""Long-lived traffic during a change: a TCP stream of lines, a ping every 10 ms, and many flows at once."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from checks.cloud import GUEST, Cloud, Question
from checks.failure import CheckFailedError
from lab.shell import patient


class Background:
    """A command in an instance or node that runs until it is told to stop; its stdout is its report."""

    def __init__(self, cloud: Cloud, where: str, command: list[str]) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if where in cloud.wanted_instances:
            self.process = cloud.guests[where].popen(command, text=True, **pipes)
        else:
            self.process = cloud.lab.popen(where, command, text=True, **pipes)
        self.report = ""

    def __enter__(self) -> Background:
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            raise CheckFailedError(f"traffic could not be started: {self.process.communicate()[1][-300:]}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.report, words = self.process.communicate("stop\n", timeout=60)
        if self.process.returncode:
            raise CheckFailedError(f"traffic ended with status {self.process.returncode}: {words[-300:]}")


class Stream(Background):
    """A TCP connection on which a line is sent every 10 ms and its answer awaited."""

    def __init__(self, cloud: Cloud, where: str, address: str, port: int) -> None:
        super().__init__(cloud, where, ["python3", "-c", (GUEST / "stream.py").read_text(), address, str(port)])

    def told(self) -> dict[str, Any]:
        """`lines` sent, `answers` got, `gap`: the longest wait for one in seconds, `broken`: why it ended, or null."""
        return dict(json.loads(self.report))

    def ends(self) -> None:
        """Make sure that it breaks before it is told to stop; it may first wait in vain for an answer."""
        try:
            self.process.wait(timeout=patient(30))
        except subprocess.TimeoutExpired:
            raise CheckFailedError("a stream lives on that was to be cut") from None

    def lived(self) -> None:
        """Make sure that it never broke, and waited for no answer as long as a lost segment takes to be sent again."""
        told = self.told()
        if told["broken"] is not None or told["gap"] >= 1.0:
            raise CheckFailedError(f"a stream was disturbed: {told}")


class Flows(Background):
    """Flows of one caller, TCP and UDP, by name: a line on each every tenth of a second, its answer awaited."""

    def __init__(self, cloud: Cloud, where: str, flows: Mapping[str, Question], patience: float) -> None:
        super().__init__(cloud, where, ["python3", "-c", (GUEST / "flows.py").read_text(), str(patience)])
        self._say(json.dumps([[name, *question[:3]] for name, question in flows.items()]))

    def _say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def tell(self) -> dict[str, dict[str, Any]]:
        """By flow: `answers` got, `seen`: who answered and saw whom, `broken`: why it ended, or None."""
        assert self.process.stdout
        self._say("tell")
        return dict(json.loads(self.process.stdout.readline()))


class Datagrams(Background):
    """One UDP flow of which lines may get lost, see guest/datagrams.py."""

    def __init__(self, cloud: Cloud, where: str, address: str, port: int) -> None:
        super().__init__(cloud, where, ["python3", "-c", (GUEST / "datagrams.py").read_text(), address, str(port)])

    def tell(self) -> dict[str, Any]:
        """Since the last time: lines with `answers`, `lost` and `refused`, and `who` answered, one after the other."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("tell\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))


class Ping(Background):
    """An echo request every 10 ms."""

    def __init__(self, cloud: Cloud, where: str, target: str) -> None:
        # The first answer may wait for ARP; only then is it counted.
        script = (
            'ping -c 1 -W 2 "$1" >/dev/null && ping -n -i 0.01 "$1" >/tmp/ping.$$ & '
            'sleep 0.3; echo ready; read stop; kill -INT $!; pkill -INT -f "^ping -n -i 0.01 $1"; wait; '
            "tail -n 3 /tmp/ping.$$; rm /tmp/ping.$$"
        )
        super().__init__(cloud, where, ["sh", "-c", script, "sh", target])

    def counts(self) -> tuple[int, int]:
        """Requests sent, answers received."""
        found = re.search(r"(\d+) packets transmitted, (\d+) received", self.report)
        if not found:
            raise CheckFailedError(f"ping told nothing: {self.report[-300:]}")
        return int(found[1]), int(found[2])
