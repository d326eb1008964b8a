"""Guests that are configured by hand: nobody of ours serves DHCP on a network that was there before us."""

from __future__ import annotations

import json
from typing import Any

from checks.cloud import Cloud


def port(cloud: Cloud, instance: str) -> dict[str, Any]:
    """The first port of an instance as it was applied, with the host that has it."""
    host = next(one["host"] for one in cloud.intent["weft_instances"] if one["name"] == instance)
    ports = json.loads((cloud.state / ".weft" / "applied" / f"{host}.json").read_text())["ports"]
    return {"host": host, **next(one for one in ports if one["instance"] == instance)}


def plug(cloud: Cloud, instance: str, *addresses: str) -> None:
    """Start an instance as a network namespace of its host, with its address and further ones."""
    card = port(cloud, instance)
    name, device = instance, card["device"]
    commands = [
        f"ip netns add {name}",
        f"ip link add {device} type veth peer name eth0 address {card['mac']} netns {name}",
        f"ip link set {device} up",
        f"ip -n {name} link set eth0 up mtu {card['mtu']}",
        *(f"ip -n {name} address add {address}/24 dev eth0" for address in (card["ip"], *addresses)),
    ]
    cloud.read(card["host"], " && ".join(commands))
