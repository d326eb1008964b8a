"""Write requirements-dev.txt: every package requirements-dev.in needs, pinned, for Python 3.11 and for newer ones.

ansible-core drops old Pythons fast, so the two differ in a few packages; those get an environment marker.
Usage: make lock PYTHONS="python3.11 python3.13" (an interpreter of each kind).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "requirements-dev.in"
TARGET = ROOT / "requirements-dev.txt"
HEADER = """\
# Written by `make lock` from requirements-dev.in: edit that file, not this one.
# Python 3.11 (Debian 12) gets the last ansible-core that supports it, newer Pythons the newest.
"""


def resolve(python: str) -> dict[str, str]:
    """Install the wanted packages with this interpreter somewhere temporary; name -> version of all that came."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([python, "-m", "venv", directory], check=True)
        pip = [f"{directory}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-qq", "-r", str(SOURCE)], check=True)
        frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    return dict(line.split("==") for line in frozen.split())


def lines(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Requirement lines for both resolutions, with markers where they differ."""
    result = []
    for name in sorted({*old, *new}, key=str.lower):
        if old.get(name) == new.get(name):
            result.append(f"{name}=={new[name]}")
            continue
        if name in old:
            result.append(f'{name}=={old[name]} ; python_version < "3.12"')
        if name in new:
            result.append(f'{name}=={new[name]} ; python_version >= "3.12"')
    return result


def main(python_311: str, python_newest: str) -> None:
    """Resolve with both interpreters and write the file."""
    pins = lines(resolve(python_311), resolve(python_newest))
    TARGET.write_text(HEADER + "\n".join(pins) + "\n")
    print(f"{TARGET.name}: {len(pins)} pins")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Two interpreters are needed, an old and a new one: make lock PYTHONS='python3.11 python3.13'.")
    main(sys.argv[1], sys.argv[2])
