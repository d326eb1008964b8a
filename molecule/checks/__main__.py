"""What playbooks need of the checks: `python -m checks instances|left --inventory DIRECTORY --state DIRECTORY`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from checks import instances, leftovers
from checks.cloud import Cloud
from lab.api import Lab


def main() -> int:
    """Start the fabric's instances, or tell what a destroyed fabric left."""
    parser = argparse.ArgumentParser(prog="checks", description=__doc__)
    parser.add_argument("what", choices=["instances", "left"])
    parser.add_argument("--inventory", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    if options.what == "instances":
        print(json.dumps(instances.start(Cloud(Lab(), options.inventory, options.state))))
        return 0
    found = leftovers.left_of_fabric(Lab())
    print("\n".join(found) or "nothing is left")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
