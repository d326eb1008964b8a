# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names a plan gives to devices, machines and directories. A device name has at most 15 characters (IFNAMSIZ - 1)."""

from __future__ import annotations

from typing import Literal

STATE = "/var/lib/weft"
#: The range of user ids of routers' files on disk: just above those that systemd-nspawn picks from by itself. Machines
#: have those that follow, up to those that systemd keeps for foreign images.
UID_BASE, UIDS, LAST_UIDS = 1879113728, 65536, 4092


def segment_bridge(vni: int) -> str:
    """Return the bridge of a segment."""
    return f"wbr{vni}"


def vxlan_device(vni: int) -> str:
    """Return the VXLAN device of a segment."""
    return f"wvx{vni}"


def provider_bridge(number: int) -> str:
    """Return the bridge of a provider network, by its number in the ledger."""
    return f"wpn{number}"


def vlan_device(number: int) -> str:
    """Return the VLAN device under a provider network's bridge."""
    return f"wvl{number}"


def port_device(number: int) -> str:
    """Return the host's end of a port, by its number in the ledger (fabric-wide)."""
    return f"wp{number}"


def limit_device(which: Literal["b", "i", "o"], number: int) -> str:
    """Return a device behind a port whose egress is limited: its own bridge, or an end of the link from that."""
    return f"wq{which}{number}"


def router_interface(kind: str, number: int) -> str:
    """Return a router's own name of a link: ``lan<port>`` or ``pub<port>``."""
    return f"{kind}{number}"


def machine(tenant: str, vpc: str) -> str:
    """Return a router's machine name; names hold no dots, so two routers never share one."""
    return f"{vpc}.{tenant}"


def router_root(machine_name: str) -> str:
    """Return where a router's root file system is mounted on its node."""
    return f"{STATE}/routers/{machine_name}/root"


def uid_base(number: int) -> int:
    """Return the first user id of a router, by the number of its range in the ledger."""
    return UID_BASE + number * UIDS


def image_directory(name: str, version: str) -> str:
    """Return where a router image lies on a node."""
    return f"{STATE}/images/{name}-{version}"


def server_name(reference: str) -> str:
    """Return HAProxy's name of a backend; an instance's own holds neither of the two characters, so that none is
    another's."""
    return reference.replace(":", "_").replace("/", ".")
