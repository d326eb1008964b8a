# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secondary IPs of NICs: their names, and that nothing leads to an address that nobody holds (row A4)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, NicRef, SecondaryIp
from ansible_collections.weft.vpc.plugins.plugin_utils.model.intent import split_instance_ref
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import InstanceReference, instance_references


@rule("WEFT-A4-duplicate")
def names_differ(intent: Intent) -> Iterator[Fault]:
    """The secondary IPs of a NIC have different names."""
    for instance in intent.instances:
        for nic in instance.nics:
            seen: dict[str, SecondaryIp] = {}
            for one in nic.secondary_ips:
                first = seen.setdefault(one.name, one)
                if first is not one:
                    reason = f"is already the name of a secondary IP of the same NIC ({first.at('name')})"
                    yield Fault(one.at("name"), one.name, reason, "Give one of the two another name.")


@rule("WEFT-A4-nobody")
def addresses_held(intent: Intent) -> Iterator[Fault]:
    """What leads to a secondary IP leads to one that a NIC has."""
    for reference in instance_references(intent):
        name, index, secondary = split_instance_ref(reference.ref)
        owner = intent.instance(reference.vpc.tenant, name)
        if secondary is None or owner is None or not 0 <= index < len(owner.instance.nics):
            continue
        if intent.instance(reference.vpc.tenant, reference.ref) is None:
            yield _nobody(reference, owner._replace(nic_index=index), secondary)


def _nobody(reference: InstanceReference, nic: NicRef, wanted: str) -> Fault:
    names = [one.name for one in nic.nic.secondary_ips]
    has = f"which has {', '.join(names)}" if names else "which has none"
    where = f"NIC {nic.nic_index} of {nic.instance.name} ({nic.nic.path})"
    reason = f"leads to an address that nobody holds: {wanted or 'nothing'} is no secondary IP of {where}, {has}"
    remedy = f"Add it to the NIC's secondary_ips, or remove what leads to it ({reference.path.rpartition('.')[0]})."
    return Fault(reference.path, reference.ref, reason, suggestion(wanted, names, remedy))
