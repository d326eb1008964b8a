"""What a person sees of a long run: stages, what goes on now, and a table at the end."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

GREEN, RED, BOLD, DIM = "32", "31", "1", "2"
REFRESH_SECONDS = 0.2


class Terminal:
    """Prints to stdout. On a terminal, what goes on now is kept up to date; elsewhere lines are only added."""

    def __init__(self) -> None:
        self.tty = sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"
        self.colour = self.tty and not os.environ.get("NO_COLOR")
        self.width = shutil.get_terminal_size((110, 24)).columns
        self.start = time.monotonic()
        self._lock = threading.RLock()
        self._now = ""
        self._stage_start = self.start

    def paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def line(self, text: str = "") -> None:
        with self._lock:
            self._wipe()
            print(text, flush=True)

    def note(self, text: str) -> None:
        """A line about the stage that goes on, with the time since the run began."""
        self.line(f"  {self.paint(f'{time.monotonic() - self.start:6.1f} s', DIM)}  {text}")

    def now(self, text: str) -> None:
        """What goes on at this moment; replaced by the next one."""
        with self._lock:
            self._now = text
            self._draw()

    @contextmanager
    def stage(self, number: int, of: int, title: str) -> Iterator[None]:
        """A numbered part of the run."""
        self.line(self.paint(f"[{number}/{of}] {title}", BOLD))
        self._stage_start = time.monotonic()
        stop = threading.Event()
        clock = threading.Thread(target=self._tick, args=(stop,), daemon=True)
        if self.tty:
            clock.start()
        try:
            yield
        finally:
            stop.set()
            self.now("")

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(REFRESH_SECONDS):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self.tty:
            self._wipe()
            if self._now:
                text = f"          … {self._now} ({time.monotonic() - self._stage_start:.0f} s)"
                print(text[: self.width - 1], end="", flush=True)

    def _wipe(self) -> None:
        if self.tty:
            print("\r\033[K", end="", flush=True)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table whose last column is wrapped at the terminal's width."""
        widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header) - 1)]
        indent = sum(widths) + 3 * len(widths)
        last = max(30, self.width - indent - 1)
        self.line(self._row(header, widths, BOLD))
        self.line("─" * min(self.width - 1, indent + last))
        for row in rows:
            first, *more = textwrap.wrap(row[-1], last, break_on_hyphens=False) or [""]
            self.line(self._row([*row[:-1], first], widths))
            for text in more:
                self.line(self._row([*[""] * len(widths), text], widths))

    def _row(self, cells: Sequence[str], widths: Sequence[int], code: str = "") -> str:
        colours = {"PASS": GREEN, "FAIL": RED}
        padded = [
            self.paint(cell.ljust(width), colours.get(cell, code)) if cell in colours or code else cell.ljust(width)
            for cell, width in zip(cells[:-1], widths, strict=True)
        ]
        return " │ ".join([*padded, self.paint(cells[-1], code) if code else cells[-1]])
