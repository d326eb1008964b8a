"""The public side of a VPC, by packets: as declared, after changes that check mode foretold, and after it has gone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from checks import leftovers
from checks.bulk import Receiver, on_the_wire, transfer
from checks.cloud import LINE_PORT, SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, Question, saw, tcp, udp, who
from checks.fabric import Fabric, Intent, drop
from checks.parallel import each
from checks.streams import Stream

LEASED = "198.51.100.1"  # wan's address in the second public network
WORLD, HOLE = "223.5.5.5", "203.0.113.1"
REFUSED, PROHIBITED, SILENT = "!Connection refused", "!No route to host", "nobody"
MEGABIT, TRIES = 10**6, 3


class Case(NamedTuple):
    """Who asks what, who answers, and the address that this sees."""

    caller: str
    question: Question
    answerer: str
    seen: str


def facing(address: str) -> str:
    """The world's own address in the public network of another one."""
    return LEASED if address.startswith("198.51.100.") else WAN_ADDRESS


class Edge:
    """The addresses of the scenario."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.vip, self.leased = (cloud.public("shop", name, "virtual_ip") for name in ("vip-shop", "vip-leased"))

    def eip(self, name: str) -> str:
        return self.cloud.public("shop", f"eip-{name}", "elastic_ip")

    def inwards(self, target: str, *questions: Question) -> list[Case]:
        """The world reaches the target, which sees its address in the network of the one that is asked."""
        return [Case("wan", one, f"{target} blue", facing(one[1])) for one in questions]

    def outwards(self, caller: str, seen: str, *questions: Question) -> list[Case]:
        """The world sees the caller so."""
        return [Case(caller, one, "wan", seen) for one in questions or (tcp(WAN_ADDRESS, WAN_PORT),)]

    def inside(self, caller: str, target: str, *questions: Question) -> list[Case]:
        """Who stays inside the VPC keeps its address."""
        return [Case(caller, one, f"{target} blue", self.cloud.address(caller)) for one in questions]

    @staticmethod
    def closed(caller: str, *questions: Question, how: str = SILENT) -> list[Case]:
        return [Case(caller, (*one[:4], SILENCE), how, how) for one in questions]


def declared(edge: Edge) -> dict[str, list[Case]]:
    """What the inventory asks for."""
    cloud, vip, leased = edge.cloud, edge.vip, edge.leased
    return {
        "two EIPs of one instance": edge.inwards("web", *(ask(edge.eip("web")) for ask in (tcp, udp))),
        "the EIP that will move": edge.inwards("web", tcp(edge.eip("moves"))),
        "EIP of a secondary IP": edge.inwards("web", tcp(edge.eip("blog"))),
        "EIP of the second network": edge.inwards("gate", tcp(edge.eip("gate"))),
        "reserved EIP": edge.closed("wan", tcp(edge.eip("spare"))),
        "forward": edge.inwards("web", tcp(vip, 2222)),
        "range": edge.inwards("web", *(udp(vip, port) for port in (6000, 6001, 6002))),
        "shifted range": edge.inwards("db", *(tcp(vip, port) for port in (7000, 7001, 7002))),
        "beside the forwards": edge.closed("wan", tcp(vip, 2221), udp(vip, 5999), udp(vip, 6003), tcp(vip, 7003)),
        "forward for some": edge.closed("wan", tcp(vip, 2223), how=REFUSED),
        "forward of the second network": edge.inwards("job", tcp(leased, 2231)),
        "load balancer": [Case("wan", tcp(vip, 8081), "db blue", cloud.gateway("back"))],
        "hairpin": [Case("db", tcp(vip, 2222), "web blue", cloud.address("db"))],
        "by EIP out": edge.outwards("web", edge.eip("web")),
        "by EIP out of the second network": edge.outwards("gate", edge.eip("gate")),
        "by shared SNAT": edge.outwards("db", vip),
        "by SNAT of a NIC": edge.outwards("mail", leased, tcp(WORLD)),
        "by SNAT of a network": edge.outwards("job", str(cloud.recorded("blue/shop/leased:public_ip")), tcp(WORLD)),
        "what egress rules do not permit": edge.closed("db", udp(WAN_ADDRESS), tcp(WORLD), how=PROHIBITED),
        "nearer next hop": edge.inside("web", "gate", tcp("172.31.0.1")),
        "route of some senders": edge.inside("web", "gate", tcp("198.19.0.1")),
        "black hole": edge.closed("web", tcp(HOLE)),
        "another tenant": [Case("other", tcp(HOLE), "wan", cloud.public("stall", "eip-other", "elastic_ip"))],
    }


def changed(edge: Edge) -> dict[str, list[Case]]:
    """What is different after `change`."""
    vip = edge.vip
    return {
        "the EIP that will move": edge.inwards("db", tcp(edge.eip("moves"))),
        "reserved EIP": edge.inwards("mail", tcp(edge.eip("spare"))),
        "range": edge.closed("wan", *(udp(vip, port) for port in (6000, 6001, 6002))),
        "forward for some": edge.inwards("db", tcp(vip, 2223)),
        "load balancer": edge.closed("wan", tcp(vip, 8081)),
        "hairpin": [Case("db", tcp(vip, 2222), "web blue", edge.eip("moves"))],
        "by shared SNAT": edge.outwards("db", edge.eip("moves")),
        "by SNAT of a NIC": edge.outwards("mail", edge.eip("spare"), tcp(WORLD)),
        "what egress rules do not permit": edge.closed("db", tcp(WORLD), how=PROHIBITED),
        "what egress rules permit": edge.outwards("db", edge.eip("moves"), udp(WAN_ADDRESS)),
        "nearer next hop": edge.inside("web", "job", tcp("172.31.0.1")),
        "black hole": edge.outwards("web", edge.eip("web"), tcp(HOLE)),
    }


def change(intent: Intent) -> None:
    """Something moves, something comes into use, something is widened, something goes."""
    vpc = intent["weft_vpcs"][0]
    elastic = {one["name"]: one for one in vpc["elastic_ips"]}
    elastic["eip-moves"]["target"] = "db"
    elastic["eip-spare"]["target"] = "mail"
    elastic["eip-web"]["qos"] = {"ingress": "60M", "egress": "20M"}
    drop(vpc["port_forwards"], "range")
    next(one for one in vpc["port_forwards"] if one["name"] == "some")["allowed_cidrs"] = [f"{WAN_ADDRESS}/32"]
    drop(vpc["load_balancers"], "line")
    vpc["networks"][1]["egress_rules"].append({"protocol": "udp", "ports": LINE_PORT})
    vpc["routes"] = [one for one in vpc["routes"] if "source" in one or one.get("distance")]


def expect(cases: dict[str, list[Case]], cloud: Cloud) -> None:
    """Everybody asks at once."""
    asked: dict[str, list[tuple[str, Case]]] = {}
    for name, wanted in cases.items():
        for case in wanted:
            asked.setdefault(case.caller, []).append((name, case))
    answers = each(asked, lambda caller: cloud.ask(caller, [case.question for _name, case in asked[caller]]))
    wrong = [
        (name, case.caller, case.question[:3], who(answer), saw(answer))
        for caller, listed in asked.items()
        for (name, case), answer in zip(listed, answers[caller], strict=True)
        if (who(answer), saw(answer)) != (case.answerer, case.seen)
    ]
    assert wrong == []


def limited(cloud: Cloud, address: str, megabits: int) -> None:
    """So much gets through to an address, and no more; the best of some tries counts."""
    rates: list[float] = []
    with Receiver(cloud, "web"):
        while not rates or not (0.95 * megabits <= rates[-1] <= 1.05 * megabits):
            assert len(rates) < TRIES, rates
            (told,) = transfer(cloud, "wan", address, "up", "2s")
            rates.append(on_the_wire(told) / MEGABIT)


def test_everything_is_as_declared(fabric: Fabric) -> None:
    cloud = fabric.cloud
    edge = Edge(cloud)
    expect(declared(edge), cloud)
    assert cloud.ask_from("wan", LEASED, f"{edge.vip}:2223") == [LEASED], "who may use the forward for some"
    blog = str(cloud.recorded("blue/web/0/blog:ip"))
    assert cloud.ask_from("web", blog, f"{WORLD}:{WAN_PORT}") == [edge.eip("blog")]
    assert not who(cloud.ask("job", [tcp("198.19.0.1", seconds=SILENCE)])[0]).startswith("gate")
    limited(cloud, edge.eip("web"), 40)


def test_addresses_come_out_of_their_ranges(fabric: Fabric) -> None:
    """Reserved ones are nobody's, a tenant has its own first, and a guest range is a part of its subnet."""
    cloud = fabric.cloud
    values = {key: str(entry["value"]) for key, entry in leftovers.ledger(cloud)["entries"].items()}
    given = {key: int(one.rpartition(".")[2]) for key, one in values.items() if one.startswith("10.172.12.")}
    own = {key: number for key, number in given.items() if key.startswith("red/")}
    others = {key: number for key, number in given.items() if key not in own}
    assert len(own) == 2 and all(101 <= number <= 109 for number in own.values()), own
    assert len(others) > 4 and all(3 <= number <= 99 for number in others.values()), others
    assert 500 <= int(cloud.recorded("red/stall/stall-front:vni")) <= 509
    for name in ("db", "gate"):
        assert ip_address("192.168.31.100") <= ip_address(cloud.address(name)) <= ip_address("192.168.31.199")
    assert cloud.ping("wan", "10.172.12.2") is cloud.ping("wan", "10.172.12.100") is None


def test_changes_are_foretold_and_end_what_they_must(fabric: Fabric) -> None:
    cloud = fabric.cloud
    edge = Edge(cloud)
    fabric.change(change)
    with (
        Stream(cloud, "wan", edge.eip("web"), LINE_PORT) as stays,
        Stream(cloud, "wan", edge.vip, 2222) as too,
        Stream(cloud, "wan", edge.eip("moves"), LINE_PORT) as cut,
    ):
        assert fabric.run_as_foretold().did().keys() == {"gw1"}
        cut.ends()
    for stream in (stays, too):
        stream.lived()
    expect(declared(edge) | changed(edge), cloud)
    limited(cloud, edge.eip("web"), 60)


def test_nothing_is_left_of_what_is_taken_out(fabric: Fabric) -> None:
    cloud = fabric.cloud
    edge = Edge(cloud)
    public = [edge.vip, edge.leased, *(edge.eip(name) for name in ("web", "moves", "gate"))]
    fabric.empty()
    assert leftovers.left_of_fabric(fabric.lab) == []
    assert [address for address in public if cloud.ping("wan", address) is not None] == []
