"""The kernel that runs as a process (User-mode Linux), built from the newest source that Debian has of it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import cache, host
from lab.apt import PrivateApt
from lab.errors import LabError
from lab.shell import run

#: The release whose backports hold the newest kernel that Debian supports.
SUITE = "trixie"
CONFIG = Path(__file__).with_name("um.config")
# program -> package. A compiler without recommended packages lacks libc's headers, which come with gencat.
TOOLS = {
    "gcc": "gcc", "gencat": "libc6-dev", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc", "xz": "xz-utils",
}  # fmt: skip
SOURCE = re.compile(r"linux-source-(\d+)\.(\d+)")
# When whoever builds is gone, so is all that builds: in a process namespace nothing outlives its first process.
_BOUND = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@dataclass(frozen=True)
class Source:
    """A package with a kernel's source, and its version."""

    package: str
    version: str


def ensure() -> Path:
    """The kernel, an ordinary program; built now if it was never built from this source by these tools."""
    host.install(TOOLS)
    recipe = cache.recipe_hash(CONFIG.read_text(), *_tools())
    with _archive() as apt:
        source = newest(apt.cache("search", "--names-only", "^linux-source-").splitlines())
        version = re.search(r"^Version: (\S+)$", apt.cache("show", "--no-all-versions", source), re.MULTILINE)
        if not version:
            raise LabError(f"Debian's archive names no version of {source}, so no kernel can be built of it.")
        what = f"build a kernel of {source} {version[1]} for User-mode Linux (a quarter of an hour)"
        name = f"um-{cache.recipe_hash(source, version[1], recipe)}"
        return cache.ensure("kernels", name, what, lambda place: _build(apt.download(source), place))


@contextmanager
def _archive() -> Iterator[PrivateApt]:
    with tempfile.TemporaryDirectory(prefix="weft-apt-") as home:
        yield PrivateApt(Path(home), host.backports(SUITE))


def newest(found: Iterable[str]) -> str:
    """The package with the newest source, of the lines that `apt-cache search` prints."""
    packages = [match for line in found if (match := SOURCE.fullmatch(line.partition(" ")[0]))]
    if not packages:
        raise LabError(f"The backports of Debian's {SUITE} have no linux-source package, so no kernel can be built.")
    return max(packages, key=lambda match: (int(match[1]), int(match[2])))[0]


def _tools() -> list[str]:
    """What decides, besides source and options, what is built."""
    return [run(["gcc", "-dumpfullversion"]).strip(), run(["getconf", "GNU_LIBC_VERSION"]).strip()]


def _build(package: Path, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as directory:
        work = Path(directory)
        run(["dpkg-deb", "--extract", str(package), str(work / "deb")])
        (packed,) = (work / "deb/usr/src").glob("linux-source-*.tar.xz")
        _bound("tar", "--extract", "--file", str(packed), "--directory", str(work))
        tree = work / packed.name.removesuffix(".tar.xz")
        configure(tree)
        _make(tree, f"-j{os.cpu_count() or 1}", "linux")
        run(["strip", "-o", str(place), str(tree / "linux")])


def configure(tree: Path) -> None:
    """Give a kernel's source exactly our options, and what these need."""
    _make(tree, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
    wrong = refused(CONFIG.read_text(), (tree / ".config").read_text())
    if wrong:
        raise LabError(
            f"The kernel's source does not take {', '.join(wrong)} of {CONFIG.name}: the option has another name "
            "there, or needs one that is not set. Mend the file."
        )


def refused(wanted: str, have: str) -> list[str]:
    """The options of a configuration that are otherwise in the one that was made of it."""
    made = dict(_options(have))
    return [f"{name}={value}" for name, value in _options(wanted) if made.get(name, "n") != value]


def _options(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            yield name, value


def _make(tree: Path, *words: str) -> None:
    _bound("make", "--silent", "-C", str(tree), "ARCH=um", *words)


def _bound(*command: str) -> None:
    run([*_BOUND, *command])
