# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for every field of the model, and fails for a new one of which nobody has thought."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
import yaml

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import says_empty
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import PortRange
from ansible_collections.weft.vpc.tests.tools.fields import (
    ModelField,
    holds,
    is_list,
    limits,
    model_fields,
    parts,
    places,
)
from ansible_collections.weft.vpc.tests.tools.intents import everything, findings_of, slices_of

FIELDS = {str(field): field for field in model_fields()}

# Lists that may be empty, since empty and left out are the same: none of it.
NONE_OF_IT = {
    "AddressGroup.cidrs", "Bgp.neighbors", "BgpNeighbor.accept", "Fabric.dns_servers", "Fabric.route_denylist",
    "Instance.nics", "InterfaceFirewall.rules", "Listener.backend_groups", "Listener.certificates",
    "Listener.denied_cidrs", "Listener.rules", "Balanced.backends", "BackendGroup.backends", "Listener.backends",
    "IpsecConnection.peer_cidrs", "LoadBalancer.listeners", "Network.egress_rules", "Network.ntp_servers",
    "NetworkAcl.rules", "Nic.allowed_addresses", "Nic.secondary_ips", "Nic.security_groups", "Ospf.accept",
    "ProviderNetwork.clusters", "ProviderNetwork.reserved_ips", "ProviderNetwork.services", "Router.firewall",
    "ProviderNetwork.trusted_tenants",
    "Router.nodes", "Router.public_networks", "SecurityGroup.rules", "Vpc.elastic_ips", "Vpc.ipsec_connections",
    "Vpc.load_balancers", "Vpc.network_acls", "Vpc.networks", "Vpc.port_forwards", "Vpc.routes", "Vpc.virtual_ips",
    "VxlanPool.clusters", "VxlanPool.vni_ranges",
}  # fmt: skip

# Lists, or the word all: empty is nobody, which is the stricter of the two.
NOBODY = {
    "Network.shared_with", "ProviderNetwork.shared_with", "RouterImage.shared_with", "RouterOffering.shared_with",
}  # fmt: skip

# Values that may be null, since that narrows nothing that they would narrow: what is allocated, chosen or measured.
NULL_IS_LEFT_OUT = {
    "AclRule.name", "BackendGroup.backend_connections", "BackendGroup.backend_port", "BackendGroup.proxy_protocol",
    "BackendGroup.stickiness", "Bgp.router_id", "BgpNeighbor.password", "Certificate.certificate",
    "Certificate.certificate_file", "Certificate.key", "Certificate.key_file", "ElasticIp.ip", "ElasticIp.outbound",
    "ElasticIp.qos", "ElasticIp.target", "HealthCheck.expect", "HealthCheck.host", "HealthCheck.port",
    "HealthCheck.send", "HealthCheck.status", "HealthCheck.type", "HealthCheck.uri", "InterfaceRule.name",
    "IpsecConnection.certificate", "IpsecConnection.local_id", "IpsecConnection.peer_ca", "IpsecConnection.psk",
    "Listener.backend_connections", "Listener.backend_port", "Listener.max_connections", "Listener.proxy_protocol",
    "Listener.qos", "Listener.redirect_to_https", "Listener.stickiness", "LoadBalancer.ip", "LoadBalancer.network",
    "LoadBalancer.virtual_ip", "Network.dns_domain", "Network.gateway", "Network.mtu", "Network.shared_segment_with",
    "Network.vni", "Nic.default", "Nic.ip", "Nic.mac", "Nic.qos", "Nic.snat", "Ospf.network", "Ospf.password",
    "Ospf.router_id", "PoolCluster.interface", "PortForward.qos", "PortForward.target_port", "ProviderNetwork.cidr",
    "ProviderNetwork.gateway", "ProviderNetwork.vlan", "PublicNetwork.ip", "Qos.egress", "Qos.ingress",
    "Quotas.elastic_ips", "Quotas.load_balancers", "Quotas.networks", "Quotas.public_ips", "Quotas.vpcs",
    "Quotas.vpn_connections", "Route.next_hop", "Router.bgp", "Router.ospf", "Router.public_ip",
    "RouterOffering.connections", "RouterOffering.management_network", "SecondaryIp.ip", "SecondaryIp.snat",
    "Snat.network", "Snat.virtual_ip", "Stickiness.cookie", "Timeouts.client", "Timeouts.server", "VirtualIp.ip",
    "VirtualIp.qos",
}  # fmt: skip


def takes_null(field: ModelField) -> bool:
    return any(part is type(None) for part in parts(field.info.annotation))


def test_the_everything_fabric_has_every_key() -> None:
    document, _hosts = everything()
    given = {str(place.field) for place in places(document) if place.field.name in place.mapping}
    assert given == FIELDS.keys()


def test_the_everything_fabric_can_be_planned() -> None:
    document, hosts = everything()
    assert {finding.severity for finding in findings_of(document, hosts)} <= {"warning"}
    assert set(slices_of(document, hosts)) == set(hosts.by_name)


def test_every_list_says_what_empty_means() -> None:
    lists = {name for name, field in FIELDS.items() if is_list(field) and name not in NOBODY}
    refusing = {name for name in lists if says_empty(FIELDS[name].info.metadata)}
    # `firewall: []` admits nothing, and null would admit what the address leads to.
    assert lists - refusing == NONE_OF_IT & FIELDS.keys()
    assert {"PortForward.allowed_cidrs", "AclRule.cidrs", "InterfaceRule.sources", "VirtualIp.firewall"} < refusing


def test_every_value_says_what_null_means() -> None:
    optional = {name for name, field in FIELDS.items() if takes_null(field)}
    assert {name for name in optional if not says_empty(FIELDS[name].info.metadata)} == NULL_IS_LEFT_OUT


def _empty(field: ModelField) -> Any:
    return None if takes_null(field) else []


@pytest.mark.parametrize("name", sorted(name for name, field in FIELDS.items() if says_empty(field.info.metadata)))
def test_left_empty_is_refused_where_it_could_mean_more(name: str) -> None:
    document, hosts = everything()
    place = next(place for place in places(document) if str(place.field) == name)
    place.mapping[place.field.name] = _empty(place.field)
    assert [(finding.path, finding.rule) for finding in findings_of(document, hosts)] == [
        (place.path, "WEFT-intent-empty")
    ]


@pytest.mark.parametrize("name", sorted(name for name, field in FIELDS.items() if says_empty(field.info.metadata)))
def test_left_out_is_no_fault_of_that_kind(name: str) -> None:
    document, hosts = everything()
    for place in list(places(document)):
        if str(place.field) == name:
            place.mapping.pop(place.field.name, None)
    assert "WEFT-intent-empty" not in {finding.rule for finding in findings_of(document, hosts)}


# What no host has: any, loopback, link-local, multicast, broadcast.
NO_HOST = ("0.0.0.0", "127.0.0.1", "169.254.0.1", "224.0.0.5", "255.255.255.255")

# Numbers that are written like addresses and are none.
NUMBERS = {"Bgp.router_id", "Ospf.area", "Ospf.router_id"}

# Of a range or a reservation the ends of a network may be part: nobody gets them anyway.
SPANS = {"IpRange.end", "IpRange.start", "ProviderNetwork.reserved_ips", "ProviderRange.end", "ProviderRange.start"}

ADDRESSES = sorted(name for name, field in FIELDS.items() if holds(field, IPv4Address))


def planted(name: str, value: Any) -> list[tuple[str, Finding]]:
    """What is said of a value at every place that a field has in the everything fabric."""
    found = []
    for number in range(sum(str(place.field) == name for place in places(everything()[0]))):
        document, hosts = everything()
        place = [place for place in places(document) if str(place.field) == name][number]
        listed = is_list(place.field)
        place.mapping[place.field.name] = [value] if listed else value
        path = f"{place.path}[0]" if listed else place.path
        found += [(path, finding) for finding in findings_of(document, hosts) if finding.severity == "error"]
    return found


@pytest.mark.parametrize("address", NO_HOST)
@pytest.mark.parametrize("name", [name for name in ADDRESSES if name not in NUMBERS])
def test_no_key_takes_what_is_no_hosts_address(name: str, address: str) -> None:
    found = planted(name, address)
    assert found
    assert {(path, finding.rule) for path, finding in found} == {(finding.path, "WEFT-A1-role") for _, finding in found}


@pytest.mark.parametrize("address", ["198.51.100.0", "198.51.100.255"])
@pytest.mark.parametrize("name", [name for name in ADDRESSES if name not in NUMBERS | SPANS])
def test_no_key_takes_the_edge_of_a_network(name: str, address: str) -> None:
    found = planted(name, address)
    assert any(path == finding.path for path, finding in found)


@pytest.mark.parametrize("own", ["198.51.100.11", "198.51.100.12", "192.168.20.1", "192.168.20.50", "203.0.113.12"])
@pytest.mark.parametrize("name", ["IpsecConnection.peer", "BgpNeighbor.address", "Route.next_hop"])
def test_somebody_else_is_not_the_router(name: str, own: str) -> None:
    assert any(path == finding.path for path, finding in planted(name, own))


# Numbers with limits of their own, by what is just beyond: the type says them, not a field's metadata.
BEYOND: dict[str, tuple[Any, Any]] = {
    "Bgp.asn": (0, 2**32 - 1),
    "BgpNeighbor.asn": (0, 2**32 - 1),
    "Qos.egress": (63_999, "401G"),
    "Qos.ingress": (63_999, "401G"),
    "RouterOffering.memory": ("63M", "17T"),
    "HealthCheck.status": ("099", "600"),
    **dict.fromkeys((name for name, field in FIELDS.items() if holds(field, PortRange)), (0, 65536)),
}

# Not numbers that a user writes as one: codes of options, which their own tests are about.
MAPPINGS = {"Network.dhcp_options"}

NUMBERED = sorted(name for name, field in FIELDS.items() if holds(field, int) or holds(field, float))


def both_ends(name: str) -> tuple[Any, Any]:
    """The least and the largest number that a field says it takes."""
    found = {}
    for one in limits(FIELDS[name]):
        for key in ("ge", "le"):
            if (value := getattr(one, key, None)) is not None:
                found[key] = value
    return found.get("ge"), found.get("le")


def test_every_number_has_two_ends() -> None:
    assert [name for name in NUMBERED if name not in {*BEYOND, *MAPPINGS} and None in both_ends(name)] == []


@pytest.mark.parametrize("name", sorted({*NUMBERED, *BEYOND} - MAPPINGS))
def test_a_number_beyond_its_ends_is_refused(name: str) -> None:
    least, largest = both_ends(name)
    beyond = BEYOND.get(name) or (least - (0.001 if holds(FIELDS[name], float) else 1), largest + 1)
    for value in beyond:
        assert any(path == finding.path for path, finding in planted(name, value)), value


@pytest.mark.parametrize("name", [name for name in NUMBERED if name not in {*BEYOND, *MAPPINGS}])
def test_a_number_at_its_ends_is_within_its_limits(name: str) -> None:
    for value in both_ends(name):
        assert not [finding for path, finding in planted(name, value) if path == finding.path and _limits(finding)]


def _limits(finding: Finding) -> bool:
    """Whether it is about the number alone."""
    return finding.rule in ("WEFT-intent-limit", "WEFT-P1-vni", "WEFT-P5-vlan", "WEFT-P7-mtu", "WEFT-R5-distance")


def test_a_mac_that_yaml_takes_for_a_number_is_refused() -> None:
    # YAML 1.1 has numbers of base 60; of ports and VLANs written that way nothing tells them from others.
    assert any(path == finding.path for path, finding in planted("Nic.mac", yaml.safe_load("52:54:00:12:34:56")))
    assert any(path == finding.path for path, finding in planted("PortForward.port", yaml.safe_load("2222:23")))
