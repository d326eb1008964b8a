"""Without the packages of requirements.txt the library can be imported, and says what is missing when it is used."""

from __future__ import annotations

import subprocess
import sys

from ansible_collections.weft.vpc.plugins.plugin_utils import dependencies

WITHOUT_PYDANTIC = """
import sys
sys.modules["pydantic"] = sys.modules["pydantic_core"] = None
sys.path[:0] = {path!r}
from ansible_collections.weft.vpc.plugins.plugin_utils import dependencies
class Model(dependencies.BaseModel):
    size: int = dependencies.Field(gt=3)
try:
    dependencies.require()
except dependencies.DependencyError as error:
    print(error)
"""


def test_the_packages_are_there() -> None:
    dependencies.require()


def test_a_missing_package_is_told_in_a_sentence() -> None:
    program = WITHOUT_PYDANTIC.format(path=sys.path)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.startswith(f"The Python of the Ansible controller ({sys.executable}) lacks a package")
    assert "pydantic" in ran.stdout and "requirements.txt" in ran.stdout
