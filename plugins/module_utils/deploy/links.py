# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network devices of a host."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import run


def survey_links() -> dict[str, Any]:
    """``{name: {"addresses": ["172.20.0.11/24"], "mtu", "mac", "master"}}``; IPv4 addresses only."""
    return {
        each["ifname"]: {
            "addresses": [
                f"{address['local']}/{address['prefixlen']}"
                for address in each.get("addr_info", ())
                if address.get("family") == "inet"
            ],
            "mtu": each["mtu"],
            "mac": each.get("address", ""),
            "master": each.get("master", ""),
        }
        for each in json.loads(run(["ip", "-json", "address", "show"]))
        if "ifname" in each
    }
