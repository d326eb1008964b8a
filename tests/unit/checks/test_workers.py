"""Who is busy is beside others, who measures is alone, and none waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from checks.workers import busy, lab_of, quiet

Way = Callable[[Path], AbstractContextManager[None]]
#: Long enough for a thread that may go on, short enough to wait for one that may not.
SOON = 0.3


class Visit:
    """Somebody who comes in and stays until told to go; each has files of its own open, as processes do."""

    def __init__(self, way: Way, place: Path) -> None:
        self.came, self.go = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._stay, args=(way, place))
        self.thread.start()

    def _stay(self, way: Way, place: Path) -> None:
        with way(place):
            self.came.set()
            self.go.wait(10)

    def leave(self) -> None:
        self.go.set()
        self.thread.join(10)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [(busy, busy, True), (busy, quiet, False), (quiet, busy, False), (quiet, quiet, False)],
)
def test_who_is_beside_whom(tmp_path: Path, first: Way, second: Way, together: bool) -> None:
    one = Visit(first, tmp_path)
    assert one.came.wait(5)
    other = Visit(second, tmp_path)
    assert other.came.wait(5 if together else SOON) == together
    one.leave()
    assert other.came.wait(5)
    other.leave()


def test_who_comes_later_does_not_keep_a_measurement_out(tmp_path: Path) -> None:
    early = Visit(busy, tmp_path)
    assert early.came.wait(5)
    measurement = Visit(quiet, tmp_path)
    time.sleep(SOON)
    late = Visit(busy, tmp_path)
    assert not late.came.wait(SOON) and not measurement.came.is_set()
    early.leave()
    assert measurement.came.wait(5) and not late.came.is_set()
    measurement.leave()
    assert late.came.wait(5)
    late.leave()


def test_each_process_has_a_lab() -> None:
    assert [lab_of("pt", worker) for worker in ("", "gw0", "gw1")] == ["pt", "pt0", "pt1"]
