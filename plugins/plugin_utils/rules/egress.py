# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Egress policies (row R9)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.traffic import port_faults
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import networks


@rule("WEFT-R9-ports")
def ports_of_protocols(intent: Intent) -> Iterator[Fault]:
    """An egress rule names ports only for tcp or udp."""
    for _vpc, network in networks(intent):
        yield from port_faults(network.egress_rules)
