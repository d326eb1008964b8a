# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over the library's arithmetic. Each is documented in the YAML file of its name, beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import islice
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import (
    default_gateway,
    mac_from_name,
    overlay_mtu,
    subnet_addresses,
    subnet_spans,
    vtep_in_cidr,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.vnis import allocated_vnis, free_vnis

# A list of more is of no use to a template, and costs a gigabyte for a /8.
MOST_ADDRESSES = 65536


def _network(name: str, value: Any) -> IPv4Network:
    try:
        return IPv4Network(value)
    except (ValueError, TypeError) as error:
        raise AnsibleFilterError(f"{name}: {value!r} is not an IPv4 network in CIDR form ({error}).") from error


def _address(name: str, value: Any) -> IPv4Address:
    try:
        return IPv4Address(value)
    except (ValueError, TypeError) as error:
        raise AnsibleFilterError(f"{name}: {value!r} is not an IPv4 address.") from error


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise AnsibleFilterError(f"{name}: {value!r} is not a text.")
    return value


def _mapping(name: str, value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(f"{name}: {what} is needed here, and {value!r} is not a mapping.")
    return value


def _interface_addresses(value: Any) -> list[tuple[str, IPv4Interface]]:
    """Pairs of interface and address, from `{eth2: [a/24]}` or `{eth2: {addresses: [a/24]}}`; IPv6 is left out."""
    pairs: list[tuple[str, IPv4Interface]] = []
    for interface, listed in _mapping("vtep", value, "the host's addresses by interface").items():
        addresses = listed.get("addresses") if isinstance(listed, Mapping) else listed
        for address in [addresses] if isinstance(addresses, str) else addresses or ():
            if ":" in str(address):
                continue
            try:
                pairs.append((str(interface), IPv4Interface(address)))
            except (ValueError, TypeError) as error:
                raise AnsibleFilterError(f"vtep: {address!r} of {interface} is not an IPv4 address.") from error
    return pairs


def filter_vtep(addresses: Any, cidr: Any, interface: str | None = None) -> str:
    """The VTEP of a host: its address in the CIDR."""
    try:
        return str(vtep_in_cidr(_interface_addresses(addresses), _network("vtep", cidr), interface).address)
    except ValueError as error:
        remedy = getattr(error, "remedy", "")
        raise AnsibleFilterError(f"vtep: the host {error}. {remedy}".rstrip()) from error


def filter_overlay_mtu(underlay_mtu: Any, encapsulation: str = "vxlan", ip_version: int = 4) -> int:
    """The MTU of guests, from that of the underlay."""
    try:
        return overlay_mtu(int(underlay_mtu), encapsulation, ip_version)
    except (ValueError, TypeError) as error:
        raise AnsibleFilterError(f"overlay_mtu: {error}.") from error


def filter_subnet_addresses(cidr: Any, ranges: Any = (), gateway: Any = None) -> list[str]:
    """The addresses that instances of a subnet can have."""
    network = _network("subnet_addresses", cidr)
    pairs = [_range(item) for item in ranges or ()]
    own = default_gateway(network) if gateway is None else _address("subnet_addresses", gateway)
    size = sum(span.size for span in subnet_spans(network, pairs, own))
    if size > MOST_ADDRESSES:
        raise AnsibleFilterError(
            f"subnet_addresses: {cidr} has {size} addresses, and at most {MOST_ADDRESSES} can be listed. Give ranges."
        )
    return [str(address) for address in islice(subnet_addresses(network, pairs, own), MOST_ADDRESSES)]


def _range(item: Any) -> tuple[IPv4Address, IPv4Address]:
    ends = _mapping("subnet_addresses", item, "a range with start and end")
    return _address("subnet_addresses", ends.get("start")), _address("subnet_addresses", ends.get("end"))


def filter_mac(name: Any, salt: int = 0) -> str:
    """The MAC that belongs to a name."""
    return mac_from_name(_text("mac", name), salt)


def _of_pool(name: str, function: Callable[..., Any], pool: Any, ledger: Any, **options: Any) -> Any:
    _mapping(name, pool, "a pool of weft_vxlan_pools")
    _mapping(name, ledger, "the content of the ledger")
    try:
        return function(pool, ledger, **options)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnsibleFilterError(
            f"{name}: the pool needs name and vni_ranges with start and end, and the ledger scopes and values "
            f"({type(error).__name__}: {error})."
        ) from error


def filter_allocated_vnis(pool: Any, ledger: Any) -> dict[str, int]:
    """Who has which VNI of a pool."""
    found: dict[str, int] = _of_pool("allocated_vnis", allocated_vnis, pool, ledger)
    return found


def filter_free_vnis(pool: Any, ledger: Any, resting: bool = False) -> list[dict[str, int]]:
    """The VNIs of a pool that nobody has."""
    found: list[dict[str, int]] = _of_pool("free_vnis", free_vnis, pool, ledger, resting=resting)
    return found


class FilterModule:
    """The filters of weft.vpc."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names, as a template calls them, and functions."""
        return {
            "allocated_vnis": filter_allocated_vnis,
            "free_vnis": filter_free_vnis,
            "mac": filter_mac,
            "overlay_mtu": filter_overlay_mtu,
            "subnet_addresses": filter_subnet_addresses,
            "vtep": filter_vtep,
        }
