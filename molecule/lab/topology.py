"""The declared shape of a lab: networks, nodes and their links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.paths import PACKAGE

ROLES = ("hypervisor", "router", "wan")
# A host end is called NODE-LINK in the lab's namespace and the kernel allows 15 characters.
MAX_NODE_NAME = 9


@dataclass(frozen=True)
class Link:
    """A network card of a node; `network` is empty for the loopback."""

    name: str
    network: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    name: str
    role: str
    links: tuple[Link, ...]

    @property
    def image(self) -> str:
        return "wan" if self.role == "wan" else "node"

    @property
    def cards(self) -> tuple[Link, ...]:
        return tuple(link for link in self.links if link.network)

    def address(self, network: str) -> str:
        """The node's first address on a network, without its length; empty when it has none."""
        for link in self.links:
            if link.network == network and link.addresses:
                return link.addresses[0].split("/")[0]
        return ""


@dataclass(frozen=True)
class Topology:
    suite: str
    networks: dict[str, int]  # name -> MTU
    nodes: dict[str, Node]
    dns: dict[str, str]
    text: str

    def node(self, name: str) -> Node:
        if name not in self.nodes:
            raise LabError(f"The lab has no node '{name}'; it has {', '.join(self.nodes)}.")
        return self.nodes[name]

    def with_role(self, role: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.role == role]


def load(path: Path, suite: str = "") -> Topology:
    """Read a topology file. `suite` overrides the file's."""
    try:
        text = path.read_text()
        data = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"The topology {path} cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise LabError(f"The topology {path} is not a mapping.")
    networks = {name: int((value or {}).get("mtu", 1500)) for name, value in data.get("networks", {}).items()}
    nodes = {name: _node(path, name, value, networks) for name, value in data.get("nodes", {}).items()}
    if suite:
        data["suite"] = suite
        text = yaml.safe_dump(data, sort_keys=False)
    return Topology(str(data.get("suite", "bookworm")), networks, nodes, dict(data.get("dns", {})), text)


def _node(path: Path, name: str, data: dict[str, Any], networks: dict[str, int]) -> Node:
    role = data.get("role", "")
    if role not in ROLES:
        raise LabError(f"{path}: the role of node '{name}' is '{role}'; it must be one of {', '.join(ROLES)}.")
    if len(name) > MAX_NODE_NAME:
        raise LabError(f"{path}: the node name '{name}' is longer than {MAX_NODE_NAME} characters.")
    links = []
    for link, value in data.get("links", {}).items():
        network = value.get("network", "")
        if link != "lo" and network not in networks:
            raise LabError(f"{path}: link {link} of node '{name}' names no declared network ('{network}').")
        links.append(Link(link, network, tuple(value.get("addresses", []))))
    return Node(name, role, tuple(links))


def find(name: str) -> Path:
    """A topology by path, or by the name of one that comes with the lab."""
    shipped = PACKAGE / "topologies" / f"{name}.yml"
    return shipped if shipped.exists() else Path(name)
