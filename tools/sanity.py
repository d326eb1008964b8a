"""Run ansible-test sanity on the built collection, without containers and with nothing but a package registry.

ansible-test makes a virtual environment per test and Python and puts pip into it by get-pip.py, from a place that
is no package registry. It looks into its cache first: there goes a stand-in that installs pip from pip's own wheel.
Its cache is in its home directory, so it gets a home in .cache, which also leaves the user's ~/.ansible alone. What is
downloaded lies in WEFT_CACHE, where the next home finds it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USER_HOME = Path(os.environ.get("WEFT_USER_HOME") or Path.home())
HOME = ROOT / ".cache/sanity/home"
PIP_CACHE = HOME / ".ansible/test/cache"

GET_PIP = '''\
"""Stands in for get-pip.py: installs pip with the pip of the wheel beside this file."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "{wheel}"))

from pip._internal.cli.main import main

sys.exit(main(["install"] + [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]))
'''


def wanted_pips() -> set[str]:
    """The versions of pip that this ansible-test bootstraps."""
    spec = find_spec("ansible_test")
    assert spec is not None and spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "_internal/python_requirements.py"
    versions = set(re.findall(r"""pip=?['"]?\s*[=:]\s*['"]([0-9.]+)['"]""", source.read_text()))
    if not versions:
        sys.exit(
            f"tools/sanity.py found no version of pip in {source}; this ansible-test bootstraps pip in another way."
        )
    return versions


def provide_pip(version: str) -> None:
    """Put the stand-in for get-pip.py, and the wheel it uses, where ansible-test looks for it."""
    script = PIP_CACHE / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    # Other checkouts read there: each file appears whole, and the script after its wheel.
    with tempfile.TemporaryDirectory(dir=PIP_CACHE) as name:
        download = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", name, f"pip=={version}"]
        subprocess.run(download, check=True)
        (wheel,) = Path(name).glob(f"pip-{version}-*.whl")
        written = Path(name) / script.name
        written.write_text(GET_PIP.format(wheel=wheel.name))
        for one in (wheel, written):
            one.replace(PIP_CACHE / one.name)


def share_downloads() -> None:
    """Keep what is downloaded in WEFT_CACHE if there can be such a place, else in the home."""
    cache = Path(os.environ.get("WEFT_CACHE") or "/var/cache/weft-lab")
    for here, shared in ((PIP_CACHE, cache / "ansible-test"), (HOME / ".cache/pip", cache / "pip")):
        if here.is_symlink() and here.readlink() == shared and here.exists():
            continue
        here.unlink(missing_ok=True) if here.is_symlink() else shutil.rmtree(here, ignore_errors=True)
        here.parent.mkdir(parents=True, exist_ok=True)
        try:
            shared.mkdir(parents=True, exist_ok=True)
        except OSError:
            here.mkdir()
        else:
            here.symlink_to(shared)


def share_pip_settings() -> None:
    """Let pip find the user's settings (which registry, which certificates) in the other home, and make it quiet."""
    theirs, ours = USER_HOME / ".config/pip", HOME / ".config/pip"
    if theirs.exists():
        ours.parent.mkdir(parents=True, exist_ok=True)
        ours.unlink(missing_ok=True)
        ours.symlink_to(theirs)
    legacy = HOME / ".pip/pip.conf"
    legacy.parent.mkdir(parents=True, exist_ok=True)
    legacy.write_text("[global]\nquiet = 2\n")


def search_path() -> str:
    """PATH with this virtual environment first, then the Pythons of pyenv, switched on or not."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or USER_HOME / ".pyenv")
    pythons = sorted((pyenv / "versions").glob("3.*/bin"))
    return os.pathsep.join([str(Path(sys.executable).parent), *map(str, pythons), os.environ["PATH"]])


def unpack_artifact() -> Path:
    """What users will get, in the tree that ansible-test wants."""
    built = subprocess.run([ROOT / "tools/artifact", "sanity"], check=True, stdout=subprocess.PIPE, text=True)
    collection = ROOT / ".cache/sanity/ansible_collections/weft/vpc"
    shutil.rmtree(collection)
    collection.mkdir()
    subprocess.run(["tar", "-xf", built.stdout.strip(), "-C", str(collection)], check=True)
    # Without a repository of its own it would be taken for a part of this one, and .cache is ignored there.
    subprocess.run(["git", "init", "--quiet", str(collection)], check=True)
    return collection


def main(options: list[str]) -> int:
    """Run the tests; the exit status of ansible-test."""
    share_downloads()
    share_pip_settings()
    for version in wanted_pips():
        provide_pip(version)
    environment = {**os.environ, "HOME": str(HOME), "PATH": search_path()}
    command = ["ansible-test", "sanity", "--color", "no", *options]
    return subprocess.run(command, cwd=unpack_artifact(), env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
