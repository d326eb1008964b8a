"""What playbooks and tests need of the checks.

Usage: `python -m checks certificate|instances|left|steps --inventory DIRECTORY --state DIRECTORY`
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from checks import instances, leftovers, steps, web
from checks.cloud import Cloud
from lab.api import Lab


def main() -> int:
    """Make a certificate, start the fabric's instances, check the steps, or tell what a destroyed fabric left."""
    parser = argparse.ArgumentParser(prog="checks", description=__doc__)
    parser.add_argument("what", choices=["certificate", "instances", "left", "steps"])
    parser.add_argument("--inventory", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    if options.what == "certificate":
        web.make_pair(options.state / "certificates", web.SITE)
        return 0
    if options.what == "instances":
        print(json.dumps(instances.start(Cloud(Lab(), options.inventory, options.state))))
        return 0
    if options.what == "steps":
        return check(Cloud(Lab(), options.inventory, options.state))
    found = leftovers.left_of_fabric(Lab())
    print("\n".join(found) or "nothing is left")
    return int(bool(found))


def check(cloud: Cloud) -> int:
    """Wait for the instances' leases, then check the twelve steps; nothing is started or configured."""
    instances.await_leases(cloud)
    passed = True
    for one in steps.run_all(cloud):
        passed &= one.passed
        print(f"step {one.step.number} ({one.step.title}): {'PASS' if one.passed else 'FAIL'}: {one.seen}", flush=True)
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
