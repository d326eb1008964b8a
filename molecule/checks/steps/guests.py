"""Steps 4, 5, 10 and 11: what instances reach, and what they are told by DHCP and DNS."""

from __future__ import annotations

import uuid
from itertools import permutations

from checks.cloud import LINE_PORT, SILENCE, Cloud, saw, tcp, udp, who
from checks.failure import CheckFailedError, expect
from checks.parallel import each

ONE_HOP = 63
OVERLAY_MTU = 1450
ICMP_HEADERS = 28
OUTSIDE_NAME, OUTSIDE_ADDRESS = "server.example.net", "203.0.113.1"


def one_per_subnet(cloud: Cloud) -> list[str]:
    """The first instance of each subnet of the first tenant."""
    found: dict[str, str] = {}
    for name in cloud.of_tenant(cloud.intent["weft_tenants"][0]["name"]):
        found.setdefault(cloud.network_of(name)["name"], name)
    return list(found.values())


def pings(cloud: Cloud) -> str:
    """4: three instances, one per subnet, on two hosts: every pair, one hop."""
    pairs = list(permutations(one_per_subnet(cloud), 2))
    ttls = each(pairs, lambda pair: cloud.ping(pair[0], cloud.address(pair[1])))
    expect("TTL of the answer to a ping", ttls, dict.fromkeys(pairs, ONE_HOP))
    across = sum(cloud.guests[one].host != cloud.guests[other].host for one, other in pairs)
    return f"ttl={ONE_HOP} on all {len(pairs)} pairs, {across} of them between two hosts"


def leases(cloud: Cloud) -> str:
    """5: what a real DHCP client got, what the router resolves, and that packets of exactly the MTU pass."""
    each(cloud.wanted_instances, lambda name: _lease(cloud, name))
    each({cloud.tenant_of(name) for name in cloud.wanted_instances}, lambda one: _names(cloud, cloud.of_tenant(one)[0]))
    _mtu(cloud, *_across(cloud))
    return (
        f"{len(cloud.wanted_instances)} leases as planned, MTU {OVERLAY_MTU} ({OVERLAY_MTU} bytes pass, one more does "
        f"not); the routers resolve their own tenant's names, {OUTSIDE_NAME} is {OUTSIDE_ADDRESS}"
    )


def _lease(cloud: Cloud, name: str) -> None:
    told = cloud.guests[name].leases().get("eth0")
    if told is None:
        raise CheckFailedError(f"{name} has no lease")
    gateway = cloud.gateway(cloud.network_of(name)["name"])
    expected = {"ip": cloud.address(name), "router": gateway, "dns": gateway, "mtu": str(OVERLAY_MTU)}
    fixed = cloud.wanted_instances[name]["nics"][0].get("ip")
    if fixed:
        expected["ip"] = fixed
    expect(f"lease of {name}", {key: told.get(key) for key in expected}, expected)
    command = "ip -oneline -4 address show dev eth0 scope global; ip route show default; cat /sys/class/net/eth0/mtu"
    address, route, mtu = cloud.read(name, command).splitlines()
    used = {"ip": address.split()[3].split("/")[0], "router": route.split()[2], "mtu": mtu}
    expect(f"what {name} made of its lease", used, {key: expected[key] for key in used})


def _names(cloud: Cloud, name: str) -> None:
    """Ask as an instance's resolver does: by its resolv.conf, that the lease made."""
    mine = cloud.of_tenant(cloud.tenant_of(name))
    others = [other for other in cloud.wanted_instances if other not in mine]
    wanted = {other: cloud.address(other) for other in mine} | {OUTSIDE_NAME: OUTSIDE_ADDRESS} | dict.fromkeys(others)
    script = "for name; do echo $name $(dig +search +short +time=2 +tries=2 $name); done"
    done = cloud.on(name, ["sh", "-c", script, "sh", *wanted])
    answers = {words[0]: " ".join(words[1:]) or None for words in map(str.split, done.stdout.splitlines())}
    expect(f"what the router tells {name} of names", answers, wanted)


def _across(cloud: Cloud) -> tuple[str, str]:
    """Two instances of one subnet on two hosts: their packets are encapsulated."""
    for one, other in permutations(cloud.wanted_instances, 2):
        if cloud.network_of(one) == cloud.network_of(other) and cloud.guests[one].host != cloud.guests[other].host:
            return one, other
    raise CheckFailedError("no subnet has instances on two hosts")


def _mtu(cloud: Cloud, sender: str, target: str) -> None:
    """A packet of exactly the MTU passes unfragmented; one byte more does not, even from who does not know the MTU."""
    address = cloud.address(target)
    if cloud.ping(sender, address, OVERLAY_MTU - ICMP_HEADERS) is None:
        raise CheckFailedError(f"a packet of {OVERLAY_MTU} bytes from {sender} did not reach {target}")
    cloud.read(sender, "ip link set eth0 mtu 1500")
    try:
        if cloud.ping(sender, address, OVERLAY_MTU - ICMP_HEADERS + 1) is not None:
            raise CheckFailedError(f"a packet of {OVERLAY_MTU + 1} bytes from {sender} reached {target}")
    finally:
        cloud.read(sender, f"ip link set eth0 mtu {OVERLAY_MTU}")


def accounts(cloud: Cloud) -> str:
    """10: within an account all reach all; between accounts nobody, though both use the same addresses."""
    answers = foreign = 0
    expected, seen = {}, {}
    for name, answered in each(cloud.wanted_instances, lambda name: _ask_all(cloud, name)).items():
        owners = {cloud.address(other): other for other in cloud.of_tenant(cloud.tenant_of(name))}
        for address, answer in answered.items():
            owner = owners.get(address)
            seen[name, address] = who(answer)
            expected[name, address] = f"{owner} {cloud.tenant_of(name)}" if owner else "nobody"
            answers, foreign = answers + bool(owner), foreign + (owner is None)
    expect("who answers at an address", seen, expected)
    return (
        f"{answers} times a name of the own account, never another's; "
        f"{foreign} times silence where only the other account has the address"
    )


def _ask_all(cloud: Cloud, name: str) -> dict[str, str | None]:
    addresses = sorted({cloud.address(other) for other in cloud.wanted_instances if other != name})
    own = {cloud.address(other) for other in cloud.of_tenant(cloud.tenant_of(name))}
    questions = [tcp(address) if address in own else tcp(address, seconds=SILENCE) for address in addresses]
    return dict(zip(addresses, map(_silent, cloud.ask(name, questions)), strict=True))


def _silent(answer: str | None) -> str | None:
    """Told by its own kernel or its router that nobody is there: nobody answered."""
    return None if answer in ("!No route to host", "!Network is unreachable") else answer


def routes(cloud: Cloud) -> str:
    """11: a static route to what is behind vpc-ins2, and a black hole for one VPC alone."""
    behind, hole = "172.31.0.1", OUTSIDE_ADDRESS
    answer = cloud.ask("vpc-ins1", [tcp(behind)])[0]
    expect(f"who answers vpc-ins1 at {behind}", who(answer), "vpc-ins2 admin")
    token = f"hole-{uuid.uuid4().hex[:8]}"
    expect(f"who answers other-1 at {hole}", who(cloud.ask("other-1", [tcp(hole, line=f"{token} good")])[0]), "wan")
    questions = [tcp(hole, LINE_PORT, token, SILENCE), udp(hole, LINE_PORT, f"{token} bad", SILENCE)]
    for name in one_per_subnet(cloud):
        for answer in cloud.ask(name, questions):
            if saw(answer) != who(answer):
                raise CheckFailedError(f"{name} got an answer from {hole}, which its router should swallow: {answer}")
    if not cloud.heard(f"{token} good", ["wan"]) or cloud.heard(f"{token} bad", ["wan"]):
        raise CheckFailedError(f"the log of {hole} should hold the line of other-1 and no line of vpc-1's instances")
    return f"{behind} answered as vpc-ins2; {hole} answered other-1 and never heard of vpc-1"
