# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the shape of an intent must be: the ids that parsing reports, beside those of the rules between objects."""

from __future__ import annotations

SHAPE_RULES = {
    "WEFT-intent-variable": "Variables that begin with weft_ are those of the collection.",
    "WEFT-intent-key": "A mapping has only the keys that it can have.",
    "WEFT-intent-missing": "What has no default is given.",
    "WEFT-intent-type": "A value is of the type that its key needs.",
    "WEFT-intent-choice": "Where there is a choice, one of its words is given.",
    "WEFT-intent-name": "Names, domains, interfaces and references are made of the characters that they can have.",
    "WEFT-intent-limit": "A number lies within its limits.",
    "WEFT-intent-empty": "A list or a value that narrows who or what is meant is left out rather than left empty.",
    "WEFT-intent-length": "A text is neither empty nor too long.",
    "WEFT-P1-vni": "A VNI lies between 1 and 16777214.",
    "WEFT-P5-vlan": "A VLAN id lies between 1 and 4094.",
    "WEFT-P7-mtu": "An MTU lies between 576 and 65535.",
    "WEFT-A1-address": "An address is an IPv4 address.",
    "WEFT-A1-role": "An address that something has is one that a host can have.",
    "WEFT-A1-cidr": "A CIDR is an IPv4 network address with a prefix length.",
    "WEFT-A1-host-bits": "A CIDR has no bits set behind its prefix.",
    "WEFT-A2-mac": "A MAC is that of one interface: six bytes, unicast.",
    "WEFT-intent-text": "A text has no control characters; only one of several lines has line breaks.",
    "WEFT-A6-option": "A DHCP option has a code from 1 to 254, once, and a value; something else does not set it.",
    "WEFT-R1-memory": "An amount of memory is a number and M, G or T, from 64M to 16T.",
    "WEFT-R5-distance": "A distance lies between 1 and 254.",
    "WEFT-R7-router-id": "The identifier of a router is not 0.0.0.0.",
    "WEFT-R7-asn": "An autonomous system is a number from 1 to 4294967294 that is not reserved.",
    "WEFT-F4-default": "No network ACL has the name of a default list.",
    "WEFT-N7-bandwidth": "A bandwidth is a number of bits per second between 64K and 400G.",
    "WEFT-B3-status": "A range of HTTP statuses begins before it ends.",
    "WEFT-B3-payload": "What a health check sends or expects is text or bytes, and fits into a datagram.",
    "WEFT-T3-sharing": "What is shared is shared with all, or with tenants that are named.",
    "WEFT-N3-ports": "Ports lie between 1 and 65535, and a range begins before it ends.",
}
