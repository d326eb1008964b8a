# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run says it did, or in check mode would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import Found
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import FileSpec

HIDDEN = "(secret, not shown)\n"


@dataclass
class Report:
    """Paths and actions in the order in which they happen."""

    files: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """True if anything is named."""
        return bool(self.files or self.actions)

    def file(self, path: str, found: Optional[Found], wanted: Optional[FileSpec], secret: bool = False) -> None:
        """Name a file that is written (or removed, if ``wanted`` is None)."""
        if path in self.files:
            return
        self.files.append(path)
        before, after = _shown(found), _wanted(wanted)
        if secret or (wanted is not None and wanted.secret):
            before, after = before and HIDDEN, after and HIDDEN.replace(")", ", changed)")
        self.diff.append(
            {
                "before_header": path if found is not None else f"{path} (absent)",
                "after_header": path if wanted is not None else f"{path} (absent)",
                "before": before,
                "after": after,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The module's result."""
        return {
            "changed": self.changed,
            "files": self.files,
            "actions": self.actions,
            "pending": self.pending,
            "diff": self.diff,
            **({"warnings": self.warnings} if self.warnings else {}),
        }


def _shown(found: Optional[Found]) -> str:
    if found is None:
        return ""
    if found.link is not None:
        return f"symbolic link to {found.link}\n"
    return found.text


def _wanted(spec: Optional[FileSpec]) -> str:
    if spec is None:
        return ""
    return f"symbolic link to {spec.link}\n" if spec.link is not None else spec.content
