# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Egress policies (row R9)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import networks


@rule("WEFT-R9-ports")
def ports_of_protocols(intent: Intent) -> Iterator[Fault]:
    """An egress rule names ports only for tcp or udp."""
    for _vpc, network in networks(intent):
        for item in network.egress_rules:
            if item.ports is not None and item.protocol not in ("tcp", "udp"):
                reason = f"are given, but the rule's protocol is {item.protocol}, which has no ports"
                yield Fault(item.at("ports"), str(item.ports), reason, "Remove ports, or write protocol: tcp or udp.")
