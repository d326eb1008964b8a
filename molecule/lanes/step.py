"""Writes a step of make down that has ended; tools/step calls it.

Usage: python -m lanes.step NAME STATUS SECONDS <OUTPUT
"""

from __future__ import annotations

import sys

from lanes import record


def main(name: str, status: str, seconds: str) -> None:
    failed = int(status) != 0
    text = record.ends(sys.stdin, first=0, last=40) if failed else ""
    outcome = record.FAILED if failed else record.PASSED
    record.append(record.part(name, outcome, float(seconds), text=text, step=name))


if __name__ == "__main__":
    main(*sys.argv[1:])
