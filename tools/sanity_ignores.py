"""Write tests/sanity/ignore-*.txt: the controller-side files that cannot be imported without a declared dependency.

ansible-test imports every plugin in an environment that has ansible-core and nothing else. Whatever imports a package
of requirements.txt, or imports something that does, fails there, and only there. No other ignore is allowed, so the
files are derived from the imports: `python tools/sanity_ignores.py`, or with --check, to compare only.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "ansible_collections.weft.vpc."
# The Pythons on which an ansible-core runs as controller, and ansible-test imports controller plugins.
CONTROLLERS = {
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.12", "3.13", "3.14"),
    "2.22": ("3.13", "3.14", "3.15"),
}


def dependencies() -> set[str]:
    """Import names of the packages in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return {re.split(r"[^\w.-]", line)[0] for line in lines if line and not line.startswith("#")}


def module_name(path: Path) -> str:
    """The name under which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return PREFIX + ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: no functions, nothing under `if TYPE_CHECKING`."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        yield statement
        for field in ("body", "orelse", "finalbody"):
            yield from module_level(getattr(statement, field, []))


def imports(path: Path) -> set[str]:
    """All names that importing the file imports, with the packages around them."""
    names = set()
    for statement in module_level(ast.parse(path.read_text()).body):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            names |= {f"{statement.module}.{alias.name}" for alias in statement.names}
    names.add(module_name(path))
    return {name.rsplit(".", depth)[0] for name in names for depth in range(name.count(".") + 1)}


def needing(dependency_names: set[str]) -> dict[str, str]:
    """Path -> reason, of each controller-side file that imports a dependency, itself or through others."""
    paths = [p for p in sorted((ROOT / "plugins").rglob("*.py")) if p.parts[len(ROOT.parts) + 1][:6] != "module"]
    graph = {path: imports(path) for path in paths}
    reasons: dict[Path, str] = {}
    for path, names in graph.items():
        if found := names & dependency_names:
            reasons[path] = f"imports {min(found)}"
    while True:
        tainted = {module_name(path): path for path in reasons}
        more = {
            path: f"through {tainted[min(names & tainted.keys())].relative_to(ROOT)}"
            for path, names in graph.items()
            if path not in reasons and names & tainted.keys()
        }
        if not more:
            return {str(path.relative_to(ROOT)): reasons[path] for path in sorted(reasons)}
        reasons |= more


def main(check: bool) -> int:
    """Write the files, or tell which differ."""
    reasons = needing(dependencies())
    stale = []
    for core, pythons in CONTROLLERS.items():
        target = ROOT / f"tests/sanity/ignore-{core}.txt"
        text = "".join(f"{path} import-{python} # {why}\n" for path, why in reasons.items() for python in pythons)
        if check and (not target.exists() or target.read_text() != text):
            stale.append(str(target.relative_to(ROOT)))
        elif not check:
            target.write_text(text)
    if stale:
        print(f"{', '.join(stale)} differ from what the imports in plugins/ ask for; run 'make sanity-ignores'.")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
