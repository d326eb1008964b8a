# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes docs/reference/intent.md and intent.schema.json from the model.

With --check it only says whether they are current. It needs the collection tree: PYTHONPATH=.cache/collections.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.weft.vpc.plugins.plugin_utils.model import SHAPE_RULES
from ansible_collections.weft.vpc.plugins.plugin_utils.model.schema import json_schema, reference
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import RULES

FOLDER = Path(__file__).resolve().parents[2] / "docs/reference"


def files() -> dict[Path, str]:
    """The generated files and what they must hold."""
    rules = {**SHAPE_RULES, **{rule.id: rule.summary for rule in RULES.values()}}
    return {
        FOLDER / "intent.md": reference(rules),
        FOLDER / "intent.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


def main() -> int:
    """Writes what is not current, or with --check fails because of it."""
    stale = {path: text for path, text in files().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        print(f"{path} {'is not current' if '--check' in sys.argv else 'written'}")
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
