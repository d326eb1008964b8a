# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All kinds of activation by name."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.addresses import Addresses
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.commands import Apply, Command
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.fdb import Fdb
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.networkd import Netdev, Network
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.nftables import Nftables
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.qdisc import Qdisc
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.units import Unit
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation

ACTIVATORS: dict[str, Activator] = {
    each.kind: each
    for each in (Netdev(), Network(), Fdb(), Nftables(), Addresses(), Qdisc(), Unit(), Command(), Apply())
}


def activator(activation: Activation) -> Activator:
    """The activator of that kind; DeployError if there is none."""
    kind = activation.get("kind")
    try:
        return ACTIVATORS[str(kind)]
    except KeyError:
        raise DeployError(f"The kind of activation {kind!r} is none of {', '.join(sorted(ACTIVATORS))}.") from None
