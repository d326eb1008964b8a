# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What on a host is not as its manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Step
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.comparison import unhealthy
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Entry, Manifest
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope, find_leaders


def survey_manifest(manifest: Manifest) -> dict[str, Any]:
    """``{"fabric", "items": {id: {"digest", "state", "role"}}, "drift": [ids], "reasons": {id: [sentences]}}``."""
    scopes = {name: Scope(spec) for name, spec in manifest.scopes.items()}
    find_leaders(scopes.values())
    reasons = {}
    for name, entry in manifest.items.items():
        found = list(_reasons(entry, scopes[entry.scope]))
        if found:
            reasons[name] = found
    items = {
        name: {"digest": entry.version.digest, "state": entry.state, "role": entry.role}
        for name, entry in manifest.items.items()
    }
    return {"fabric": manifest.fabric, "recorded": items, "drift": sorted(reasons), "reasons": reasons}


def _reasons(entry: Entry, scope: Scope) -> Iterator[str]:
    try:
        yield from _differences(entry, scope)
    except DeployError as error:
        # What somebody has made of a machine's tree must not keep the others' state from being known.
        yield str(error)


def _differences(entry: Entry, scope: Scope) -> Iterator[str]:
    if not scope.ready:
        yield f"the root {scope.spec.root} is not mounted"
        return
    for path, state in entry.version.files.items():
        found = scope.tree.look(path)
        if found is None:
            yield f"{scope.tree.real(path)} is missing"
        elif found.state != state:
            yield f"{scope.tree.real(path)} was changed by somebody else"
    steps = (Step(each, activator(each).files(each, entry.version.files)) for each in entry.version.activate)
    for _key, reason in unhealthy(steps, scope):
        yield reason
