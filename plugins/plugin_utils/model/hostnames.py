# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of hosts and domains in DNS and DHCP: which ones the product makes, and which mean something already."""

from __future__ import annotations

import re

# In a line of dnsmasq's dhcp-hostsfile a word like these is no name (man dnsmasq, --dhcp-host).
_DNSMASQ_WORDS = {"ignore": "to give no lease", "infinite": "that a lease never ends"}
_LEASE_TIME = re.compile(r"[0-9]+[smhdw]?", re.ASCII | re.IGNORECASE)

# Names that programs look up to find something else than an instance (RFC 6761; RFC 5214; Windows' block list of DNS).
_LOOKED_UP = {
    "localhost": "every machine's own",
    "localhost4": "every machine's own",
    "localhost6": "every machine's own",
    "localdomain": "every machine's own domain",
    "broadcasthost": "the broadcast address",
    "wpad": "where browsers look for their proxy",
    "isatap": "where Windows looks for a tunnel of IPv6",
}

# Top-level domains that are nobody's in the public DNS, so that a VPC can have them or names below them.
_PRIVATE = frozenset({"internal", "lan", "home", "corp", "intranet", "private", "localdomain", "test"})
# Below a country's domain, where others register theirs: co.uk, com.cn. The list is of the usual ones.
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "ltd", "me", "net", "or", "org", "plc", "sch"})
_NEVER_ASKED = frozenset({"localhost", "invalid", "onion"})


def host_name(instance: str, nic: int, *, default: bool) -> str:
    """The name that DHCP and DNS have for a NIC: its instance's for the default one (row A5)."""
    return instance if default else f"{instance}-nic{nic}"


def no_host_name(name: str) -> str | None:
    """What a name means to whoever reads it, in words that go on from it; None if it can be an instance's."""
    lowered = name.lower()
    if _LEASE_TIME.fullmatch(lowered):
        return "tells the router's DHCP how long a lease is"
    if lowered in _DNSMASQ_WORDS:
        return f"tells the router's DHCP {_DNSMASQ_WORDS[lowered]}"
    return f"is {_LOOKED_UP[lowered]}" if lowered in _LOOKED_UP else None


def no_domain(domain: str) -> str | None:
    """Why instances cannot be in a domain, in words that go on from it; None if they can."""
    labels = domain.lower().split(".")
    if labels[-1].isdigit():
        return "ends as an address does, so that its names are taken for addresses"
    if labels[-1] == "arpa" and labels[-2:] != ["home", "arpa"]:
        return "is a zone of reverse records, and all others of it would be hidden"
    if labels[-1] in _NEVER_ASKED:
        return f"is below {labels[-1]}, of which no server is ever asked"
    if labels[-1] not in _PRIVATE and len(labels) <= _shared_labels(labels):
        return "is a domain that others have theirs in, and all of them would be hidden"
    return None


def hidden_by(domain: str) -> str | None:
    """What of the public DNS a domain hides from a VPC, in words that go on from it; None if nothing."""
    labels = domain.lower().split(".")
    if labels[-1] == "local":
        return "is below local, of which many guests ask their neighbours by multicast and no server"
    if labels[-1] in _PRIVATE or labels[-2:] == ["home", "arpa"]:
        return None
    if len(labels) > _shared_labels(labels) + 1:  # a domain apart, below that of whoever has registered it
        return None
    return "hides all public names below it: the router answers for it alone, and knows only the VPC's instances"


def _shared_labels(labels: list[str]) -> int:
    """How many labels at the end of a public domain are not its owner's own."""
    return 2 if len(labels) > 1 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 1
