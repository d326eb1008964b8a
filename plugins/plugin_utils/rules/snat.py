# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NICs that choose as whom they leave (row N4)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, nic_snat_choices


@rule("WEFT-N4-provider")
def behind_a_router(intent: Intent) -> Iterator[Fault]:
    """Only a NIC in a VPC's network chooses as whom it leaves."""
    for instance in intent.instances:
        for nic in instance.nics:
            network = intent.attachment(instance.tenant, nic.network)
            if isinstance(network, ProviderNetwork):
                reason = f"is set, and the NIC is in {holder(network.name, network.path)}, where no router translates"
                for snat in nic_snat_choices(nic):
                    yield Fault(snat.path, None, reason, "Leave snat out, or use a network of a VPC.")
