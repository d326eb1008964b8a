# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an address can be, and what a key of the intent takes: nearly all take one that a single host can have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

# What no host, no subnet and no route may have, and why (RFC 6890, RFC 5771, RFC 1112).
REFUSED = (
    (IPv4Network("0.0.0.0/8"), "means this network"),
    (IPv4Network("127.0.0.0/8"), "is for loopback"),
    (IPv4Network("169.254.0.0/16"), "is link-local"),
    (IPv4Network("224.0.0.0/4"), "is class D, for multicast"),
    (IPv4Network("240.0.0.0/4"), "is class E, reserved"),
)
_ANY, _BROADCAST = IPv4Address("0.0.0.0"), IPv4Address("255.255.255.255")


def no_host(address: IPv4Address) -> str | None:
    """Why an address is that of no host in any network, in words that go on from it; None if it can be one's."""
    if address == _ANY:
        return "stands for any address, and one is needed"
    if address == _BROADCAST:
        return "is everybody's, by broadcast"
    return next((f"lies in {network}, which {why}" for network, why in REFUSED if address in network), None)


def edge(address: IPv4Address, network: IPv4Network) -> str | None:
    """What an address is in a network instead of a host's, in words; None where it is neither of the two."""
    if network.prefixlen >= 31:  # both are hosts (RFC 3021)
        return None
    if address == network.network_address:
        return f"is the network address of {network}"
    return f"is the broadcast address of {network}" if address == network.broadcast_address else None
