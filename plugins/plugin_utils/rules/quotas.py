# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas of tenants (row T2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule

_WORDS = {
    "vpcs": "VPCs",
    "networks": "networks",
    "public_ips": "public addresses of routers, virtual IPs and elastic IPs",
    "elastic_ips": "elastic IPs",
    "load_balancers": "load balancers",
    "vpn_connections": "VPN connections",
}


@rule("WEFT-T2-quota")
def quotas(intent: Intent) -> Iterator[Fault]:
    """A tenant has at most what its quotas allow."""
    vpcs: defaultdict[str, list[Vpc]] = defaultdict(list)
    for vpc in intent.vpcs:
        vpcs[vpc.tenant].append(vpc)
    for tenant in intent.tenants:
        used = _used(vpcs[tenant.name])
        for key, words in _WORDS.items():
            limit: int | None = getattr(tenant.quotas, key)
            if limit is None or len(used[key]) <= limit:
                continue
            excess = f"which has {len(used[key])}; the first too many is {used[key][limit]}"
            reason = f"is the quota of {words} of tenant {tenant.name}, {excess}"
            yield Fault(tenant.quotas.at(key), limit, reason, "Raise the quota, or remove what is too much.")


def _used(vpcs: list[Vpc]) -> dict[str, list[str]]:
    """The paths of what counts against each quota, in inventory order."""
    elastic = [item.path for vpc in vpcs for item in vpc.elastic_ips]
    routers = [path for vpc in vpcs for path in (vpc.router.path, *(one.path for one in vpc.router.public_networks))]
    return {
        "vpcs": [vpc.path for vpc in vpcs],
        "networks": [item.path for vpc in vpcs for item in vpc.networks],
        "public_ips": routers + [item.path for vpc in vpcs for item in vpc.virtual_ips] + elastic,
        "elastic_ips": elastic,
        "load_balancers": [item.path for vpc in vpcs for item in vpc.load_balancers],
        "vpn_connections": [item.path for vpc in vpcs for item in vpc.ipsec_connections],
    }
