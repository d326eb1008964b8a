"""What routers, their services and those of hosts may do: no more than they need (docs/security.md has the table)."""

from __future__ import annotations

import pytest
from checks import steps
from checks.cloud import Cloud
from checks.fabric import Fabric, Intent

pytestmark = pytest.mark.packets

#: Capabilities of a router machine by number, as linux/capability.h has them; it has no others.
BITS = {
    0: "chown", 1: "dac_override", 2: "dac_read_search", 3: "fowner", 4: "fsetid", 5: "kill", 6: "setgid", 7: "setuid",
    8: "setpcap", 10: "net_bind_service", 11: "net_broadcast", 12: "net_admin", 13: "net_raw", 18: "sys_chroot",
    21: "sys_admin", 22: "sys_boot", 24: "sys_resource",
}  # fmt: skip
MACHINE = set(BITS.values())
NETWORK = {"net_admin", "net_bind_service", "net_raw"}
#: By unit: what it may ever have.
SERVICES = {
    "weft-dnsmasq.service": NETWORK,
    "weft-lb-udp.service": {"net_admin", "net_raw"},
    "haproxy.service": {
        "chown", "dac_override", "fowner", "kill", "net_bind_service", "setgid", "setuid", "sys_chroot", "sys_resource",
    },
    "frr.service": MACHINE - {"net_broadcast", "sys_boot", "dac_read_search", "sys_chroot"},
}  # fmt: skip


def with_everything(intent: Intent) -> None:
    """All services in one router: HAProxy, FRR and dnsmasq are there, and a listener of udp brings the fourth."""
    backend = {"backends": ["vpc-port-test-1"], "backend_port": 8080, "health_check": {"type": "icmp"}}
    listener = {"name": "dns", "protocol": "udp", "port": 53, **backend}
    intent["weft_vpcs"][0]["load_balancers"].append({"name": "udp", "virtual_ip": "vip-lb", "listeners": [listener]})
    intent["weft_vpcs"][0]["router"]["bgp"] = {"asn": 65010, "neighbors": [{"address": "10.0.0.1", "asn": 65000}]}


def in_router(cloud: Cloud, pid: str) -> tuple[set[str], bool]:
    return status(cloud.in_router("vpc-1", f"cat /proc/{pid}/status"))


def status(text: str) -> tuple[set[str], bool]:
    """What a process may ever have, and whether programs get it no more."""
    fields = dict(line.split(":\t", 1) for line in text.splitlines())
    bounding = int(fields["CapBnd"], 16)
    return {BITS.get(bit, str(bit)) for bit in range(64) if bounding >> bit & 1}, fields["NoNewPrivs"] == "1"


def test_routers_may_do_what_they_need(fabric: Fabric) -> None:
    fabric.change(with_everything)
    fabric.run()
    cloud = fabric.cloud
    assert in_router(cloud, "1") == (MACHINE, True)
    # Outside of its namespaces its root is nobody.
    leader = cloud.read("gw1", "systemctl show -P MainPID weft-router@vpc-1.admin").strip()
    child = cloud.read("gw1", f"cat /proc/{leader}/task/{leader}/children").strip()
    assert cloud.read("gw1", f"stat -c %u /proc/{child}").strip() != "0"
    for unit, wanted in SERVICES.items():
        main = cloud.in_router("vpc-1", f"systemctl show -P MainPID {unit}").strip()
        assert in_router(cloud, main) == (wanted, True), unit
        inside = f"nsenter --target={main} --mount -- sh -c"
        assert cloud.in_router("vpc-1", f"{inside} 'touch /usr/x 2>/dev/null || echo refused'") == "refused\n", unit
    # What only starts another unit runs for a moment.
    assert cloud.in_router("vpc-1", "systemctl show -P CapabilityBoundingSet weft-haproxy.service") == "\n"
    assert cloud.in_router("vpc-1", "ps -o user= -C dnsmasq").split() == ["dnsmasq"]
    assert steps.failures(cloud) == []
    assert fabric.run().changed == 0


def test_the_keeper_of_a_hosts_rules_may_do_what_it_needs(fabric: Fabric) -> None:
    main = fabric.cloud.read("hv1", "systemctl show -P MainPID weft-nftables.service").strip()
    assert status(fabric.cloud.read("hv1", f"cat /proc/{main}/status")) == ({"net_admin"}, True)
    inside = f"nsenter --target={main} --mount -- sh -c"
    assert fabric.cloud.read("hv1", f"{inside} 'touch /etc/weft/x 2>/dev/null || echo refused'") == "refused\n"
