"""What a fabric goes through in its life: subnets, routers, images, VTEPs, saved plans. Nothing else is disturbed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from checks.cloud import saw, tcp, who
from checks.fabric import Fabric, Intent
from checks.streams import Ping

pytestmark = pytest.mark.packets
ROUTERS = ("vpc-1.admin", "vpc-2.admin1")
WORLD = "203.0.113.1"


def router_pids(fabric: Fabric) -> dict[str, str]:
    """The pid of each router's machine: another one after it was restarted."""
    pids = fabric.cloud.read("gw1", f"systemctl show -P MainPID {' '.join(f'weft-router@{one}' for one in ROUTERS)}")
    return dict(zip(ROUTERS, pids.split(), strict=True))


def limits(fabric: Fabric, router: str) -> list[str]:
    return fabric.cloud.read("gw1", f"systemctl show -P CPUQuotaPerSecUSec -P MemoryMax weft-router@{router}").split()


def test_a_subnet_comes_and_goes_while_the_router_runs(fabric: Fabric) -> None:
    def attach(intent: Intent) -> None:
        intent["weft_vpcs"][0]["networks"].append({"name": "vpc-1-4", "pool": "vxlan-pool", "cidr": "192.168.23.0/24"})
        nics = [{"network": "vpc-1-4"}]
        intent["weft_instances"].append({"name": "vpc-ins4", "tenant": "admin", "host": "hv2", "nics": nics})

    before = router_pids(fabric)
    with (
        Ping(fabric.cloud, "vpc-ins1", fabric.cloud.address("vpc-ins3")) as inside,
        Ping(fabric.cloud, "wan", fabric.cloud.public("vpc-1", "eip-a", "elastic_ip")) as outside,
    ):
        fabric.change(attach)
        cloud = fabric.apply()
        assert cloud.ping("vpc-ins4", cloud.address("vpc-ins1")) == 63
        fabric.restore()
        fabric.apply()
    for ping in (inside, outside):
        sent, answered = ping.counts()
        assert sent > 300
        assert sent == answered
    assert router_pids(fabric) == before
    links = fabric.cloud.in_router("vpc-1", "ls /sys/class/net").split()
    assert len([link for link in links if link.startswith("lan")]) == 3


def test_an_offering_changes_while_the_router_runs(fabric: Fabric) -> None:
    def smaller(intent: Intent) -> None:
        intent["weft_router_offerings"][0].update(cpus=1.5, memory="512M")

    before = router_pids(fabric)
    assert limits(fabric, "vpc-1.admin") == ["4s", str(4 * 2**30)]
    fabric.change(smaller)
    fabric.run()
    assert limits(fabric, "vpc-1.admin") == ["1.500000s", str(512 * 2**20)]
    assert router_pids(fabric) == before


def test_a_router_is_stopped_and_started_and_the_other_does_not_notice(fabric: Fabric) -> None:
    def stop(intent: Intent) -> None:
        intent["weft_vpcs"][1]["router"]["state"] = "stopped"

    before = router_pids(fabric)
    fabric.change(stop)
    fabric.run()
    assert router_pids(fabric) == {**before, "vpc-2.admin1": "0"}
    assert fabric.cloud.ping("other-1", WORLD) is None
    assert fabric.cloud.ping("other-1", fabric.cloud.address("other-2")) == 64, "the segment needs no router"
    fabric.restore()
    fabric.run()
    assert fabric.cloud.ping("other-1", WORLD, count=3) == 63


def test_a_rebuilt_router_is_what_it_was(fabric: Fabric) -> None:
    before = router_pids(fabric)
    fabric.cloud.in_router("vpc-2", "touch /var/tmp/left-behind")
    fabric.run("-e", "router=vpc-2.admin1", playbook="rebuild")
    after = router_pids(fabric)
    assert after["vpc-1.admin"] == before["vpc-1.admin"]
    assert after["vpc-2.admin1"] not in (before["vpc-2.admin1"], "0")
    assert fabric.cloud.ping("other-1", WORLD, count=3) == 63
    assert fabric.cloud.in_router("vpc-2", "ls /var/tmp") == ""
    assert fabric.run().changed == 0


def test_a_router_moves_to_another_image_alone(fabric: Fabric) -> None:
    def another(intent: Intent) -> None:
        intent["weft_router_images"].append({**intent["weft_router_images"][0], "name": "debian-12b"})
        intent["weft_router_offerings"][1]["image"] = "debian-12b"

    before = router_pids(fabric)
    fabric.change(another)
    fabric.run()
    after = router_pids(fabric)
    assert after["vpc-1.admin"] == before["vpc-1.admin"]
    assert after["vpc-2.admin1"] not in (before["vpc-2.admin1"], "0")
    assert "debian-12b" in fabric.cloud.read("gw1", "grep weft-vpc-2 /proc/mounts")
    assert fabric.cloud.ping("other-1", WORLD, count=3) == 63


def test_a_changed_vtep_is_followed_by_every_peer(fabric: Fabric) -> None:
    cloud = fabric.cloud

    def move(old: str, new: str) -> None:
        cloud.read(
            "hv2",
            f"sed -i s:{old}/24:{new}/24: /etc/systemd/network/10-lab-eth2.network && networkctl reload && "
            f"networkctl reconfigure eth2 && for i in $(seq 50); do ip address show eth2 | grep -q {new}/24 && exit; "
            "sleep 0.1; done; exit 1",
        )

    move("172.20.0.12", "172.20.0.112")
    try:
        assert cloud.ping("vpc-ins1", cloud.address("vpc-ins2")) is None, "nobody knows the new address yet"
        fabric.run()
        assert cloud.ping("vpc-ins1", cloud.address("vpc-ins2"), count=3) == 63
        assert cloud.ping("vpc-ins1", cloud.address("vpc-port-test-2"), count=3) == 64
        for host in ("hv1", "gw1"):
            peers = cloud.read(host, "bridge fdb show")
            assert "172.20.0.112" in peers
            assert "172.20.0.12 " not in peers
        assert fabric.run().changed == 0
    finally:
        move("172.20.0.112", "172.20.0.12")


def with_lease(name: str) -> Callable[[Intent], None]:
    """A second public network, by a NIC of its own."""
    about = {"interface": "eth3", "clusters": ["router_nodes"], "services": ["public"], "cidr": "198.51.100.0/24"}
    return lambda intent: intent["weft_provider_networks"].append({"name": name, **about})


def test_a_nic_that_leaves_a_provider_network_is_its_owners_again(fabric: Fabric) -> None:
    cloud = fabric.cloud

    def nic() -> tuple[str, str]:
        """The bridge that it is a port of, and the file that it is configured with."""
        bridge = cloud.read("gw1", "basename $(readlink /sys/class/net/eth3/master || echo none)").strip()
        status = cloud.read("gw1", "networkctl --no-pager status eth3")
        assert "(configured)" in status, status
        return bridge, Path(next(line for line in status.splitlines() if "Network File" in line).split()[-1]).name

    for _time in range(2):
        bridges = []
        for name in ("leased", "leased-anew"):
            # The second one takes the place of the first in one run.
            fabric.restore()
            fabric.change(with_lease(name))
            fabric.run()
            bridge, file = nic()
            assert bridge.startswith("wpn") and file == "05-weft-eth3.network"
            bridges.append(bridge)
        assert bridges[0] != bridges[1]
        fabric.restore()
        fabric.apply()
        assert nic() == ("none", "10-lab-eth3.network")


def test_only_the_default_nic_gives_a_default_route(fabric: Fabric) -> None:
    def second_nic(intent: Intent) -> None:
        (one,) = (each for each in intent["weft_instances"] if each["name"] == "vpc-ins3")
        one["nics"].append({"network": "vpc-1-1"})
        elastic = {"name": "eip-second", "network": "L3-public", "target": "vpc-ins3:1"}
        intent["weft_vpcs"][0]["elastic_ips"].append(elastic)

    fabric.change(second_nic)
    cloud = fabric.apply()
    routes = cloud.read("vpc-ins3", "ip -4 route")
    assert routes.count("default ") == 1
    assert "default via 192.168.22.1 dev eth0" in routes
    second = str(cloud.recorded("admin/vpc-ins3/1:ip"))
    assert f"{second}/24" in cloud.read("vpc-ins3", "ip -4 address show eth1")
    assert cloud.ping("vpc-ins1", second) == 64
    # It answers its own subnet alone, so that by its elastic IP everybody comes as that subnet's gateway.
    elastic = cloud.public("vpc-1", "eip-second", "elastic_ip")
    for caller in ("wan", "other-1", "vpc-ins1", "vpc-ins2", "vpc-ins3", "vpc-port-test-1"):
        answer = cloud.ask(caller, [tcp(elastic)])[0]
        assert (who(answer), saw(answer)) == ("vpc-ins3 admin", cloud.gateway("vpc-1-1"))
    assert saw(cloud.ask("vpc-port-test-1", [tcp(second)])[0]) == cloud.address("vpc-port-test-1")


def test_a_saved_plan_is_applied_as_it_is_and_refused_once_out_of_date(fabric: Fabric, tmp_path: Path) -> None:
    def add(intent: Intent) -> None:
        elastic = {"name": "eip-c", "network": "L3-public", "target": "vpc-ins3"}
        intent["weft_vpcs"][0]["elastic_ips"].append(elastic)

    def more(intent: Intent) -> None:
        intent["weft_vpcs"][0]["elastic_ips"][-1]["target"] = "vpc-ins2"

    saved = f"weft_plan_file={tmp_path / 'saved.plan'}"
    fabric.change(add)
    shown = fabric.run("-e", saved, playbook="plan").output
    assert "+ elastic IP admin/vpc-1/eip-c on gw1" in shown
    assert "Plan: 1 to create, 0 to change, 0 to destroy." in shown
    assert fabric.run("-e", saved).changed > 0
    assert fabric.cloud.ping("wan", fabric.cloud.public("vpc-1", "eip-c", "elastic_ip"), count=3) == 63
    fabric.change(more)
    refused = fabric.try_run("-e", saved)
    assert refused.status != 0
    assert "cannot be applied: the intent" in refused.output
    assert refused.changed == 0


def test_a_run_with_a_limit_leaves_the_other_hosts_and_the_ledger_whole(fabric: Fabric) -> None:
    ledger = (fabric.state / "weft-ledger.json").read_bytes()
    assert fabric.run("--limit", "hv1").changed == 0
    assert (fabric.state / "weft-ledger.json").read_bytes() == ledger
    assert fabric.run().changed == 0


def test_a_run_that_would_remove_most_of_a_host_stops_before_it_changes_anything(fabric: Fabric) -> None:
    def empty(intent: Intent) -> None:
        intent["weft_vpcs"] = intent["weft_instances"] = []

    fabric.change(empty)
    stopped = fabric.try_run()
    assert stopped.status != 0
    assert "weft_max_removal_percent" in stopped.output
    assert "Deploy" not in stopped.output
    fabric.restore()
    assert fabric.run("-v").did() == {}
