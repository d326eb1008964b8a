"""What the security groups of the plan do to single flows, and which rules of the inventory they name."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow
from ansible_collections.weft.vpc.plugins.module_utils.groups import Groups, ends
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import Answer, GroupAnalysis
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

#: On hv1, in vpc-1-1: in web and db, in web, and on hv2: in db and without groups.
INS1, TEST1, TEST2, TEST3 = "192.168.20.2", "192.168.20.154", "192.168.20.182", "192.168.20.236"
ROUTER, ELSEWHERE = "192.168.20.1", "203.0.113.9"
BRIDGE = "wbr222"
GROUPS = [
    {
        "name": "web",
        "tenant": "admin",
        "rules": [
            {"direction": "ingress", "protocol": "tcp", "ports": "80-90"},
            {"direction": "ingress", "protocol": "icmp", "icmp_type": 8, "cidrs": ["192.168.20.0/24"]},
            {"direction": "ingress", "protocol": "udp", "address_group": "monitors"},
            {"direction": "ingress", "protocol": "tcp", "ports": 5432, "security_group": "db"},
        ],
    },
    {"name": "db", "tenant": "admin", "rules": [{"direction": "egress", "protocol": "tcp", "ports": 5432}]},
]


def variables() -> tuple[dict[str, Any], Any]:
    found, hosts = walkthrough()
    found["weft_address_groups"] = [{"name": "monitors", "tenant": "admin", "cidrs": ["203.0.113.0/24", TEST3]}]
    found["weft_security_groups"] = [{**group, "rules": list(group["rules"])} for group in GROUPS]
    nics = {one["name"]: one["nics"][0] for one in found["weft_instances"]}
    nics["vpc-ins1"]["security_groups"] = ["web", "db"]
    nics["vpc-port-test-1"]["security_groups"] = ["web"]
    nics["vpc-port-test-2"]["security_groups"] = ["db"]
    names = {
        "name": "names", "protocol": "udp", "port": 53, "backend_port": 5353, "backends": ["vpc-port-test-1"],
        "health_check": {"type": "icmp"},
    }  # fmt: skip
    found["weft_vpcs"][0]["load_balancers"][0]["listeners"].append(names)
    return found, hosts


def analysis(host: str = "hv1") -> GroupAnalysis:
    return GroupAnalysis(slices_of(*variables())[host])


def told(answer: Answer) -> list[tuple[str, str]]:
    return [(rule.source.removeprefix("weft_"), rule.sentence) for rule in answer.rules]


FREE = "{} may send everything: none of its security groups ({}) has an egress rule."


@pytest.mark.parametrize(
    ("flow", "action", "sources"),
    [
        (Flow("tcp", ELSEWHERE, TEST1, 40000, 85), "accept", ["security_groups[0].rules[0]"]),
        (Flow("tcp", ELSEWHERE, TEST1, 40000, 91), "drop", ["instances[3].nics[0]"]),
        (Flow("udp", ELSEWHERE, TEST1, 40000, 85), "accept", ["security_groups[0].rules[2]"]),
        (Flow("udp", TEST2, TEST1, 40000, 85), "drop", ["instances[3].nics[0]"]),
        (Flow("icmp", TEST3, TEST1), "accept", ["security_groups[0].rules[1]"]),
        (Flow("icmp", TEST3, TEST1, icmp=(13, 0)), "drop", ["instances[3].nics[0]"]),
        (Flow("icmp", "192.168.21.2", TEST1), "drop", ["instances[3].nics[0]"]),
        # Of a remote group only what is a member's own address.
        (Flow("tcp", TEST2, TEST1, 40000, 5432), "accept", ["security_groups[0].rules[3]"]),
        (Flow("tcp", TEST3, TEST1, 40000, 5432), "drop", ["instances[3].nics[0]"]),
        # Both ends are here: the sender's groups first. One egress rule of one of its groups makes a whitelist.
        (
            Flow("tcp", INS1, TEST1, 40000, 5432),
            "accept",
            ["security_groups[1].rules[0]", "security_groups[0].rules[3]"],
        ),
        (Flow("tcp", INS1, TEST1, 40000, 80), "drop", ["instances[0].nics[0]"]),
        (Flow("tcp", TEST1, INS1, 40000, 80), "accept", ["instances[3].nics[0]", "security_groups[0].rules[0]"]),
        # The router answers, whatever the whitelist says.
        (Flow("udp", INS1, ROUTER, 40000, 53), "accept", ["instances[0].nics[0]"]),
        (Flow("tcp", INS1, ROUTER, 40000, 53), "accept", ["instances[0].nics[0]"]),
        (Flow("udp", INS1, ROUTER, 68, 67), "accept", ["instances[0].nics[0]"]),
        (Flow("udp", INS1, ELSEWHERE, 40000, 53), "drop", ["instances[0].nics[0]"]),
        (Flow("udp", ROUTER, TEST1, 67, 68), "accept", ["instances[3].nics[0]"]),
        (Flow("udp", TEST2, TEST1, 67, 68), "drop", ["instances[3].nics[0]"]),
        # Load balancers reach their backends, and others do not reach those ports.
        (Flow("tcp", ROUTER, TEST1, 40000, 8080), "accept", ["instances[3].nics[0]"]),
        (Flow("tcp", ELSEWHERE, TEST1, 40000, 8080), "drop", ["instances[3].nics[0]"]),
        (Flow("tcp", ROUTER, INS1, 40000, 8080), "drop", ["instances[0].nics[0]"]),
        (Flow("udp", "198.51.100.1", TEST1, 40000, 5353), "accept", ["instances[3].nics[0]"]),
        (Flow("icmp", ROUTER, TEST1), "accept", ["instances[3].nics[0]"]),
        # Nothing here is in a group.
        (Flow("tcp", ELSEWHERE, TEST3, 40000, 23), "accept", []),
    ],
)  # fmt: skip
def test_flows(flow: Flow, action: str, sources: list[str]) -> None:
    answer = analysis().explain(BRIDGE, flow)
    assert (answer.verdict.action, [source for source, _sentence in told(answer)]) == (action, sources)


def test_words() -> None:
    asked = analysis()
    assert told(asked.explain(BRIDGE, Flow("tcp", INS1, TEST1, 40000, 5432))) == [
        (
            "security_groups[1].rules[0]",
            f"security group admin/db in admin/vpc-1 lets {INS1} send tcp port 5432 to {TEST1}.",
        ),
        (
            "security_groups[0].rules[3]",
            f"security group admin/web in admin/vpc-1 takes tcp port 5432 from {INS1}, by members of security group "
            "admin/db in admin/vpc-1.",
        ),
    ]
    assert told(asked.explain(BRIDGE, Flow("tcp", TEST1, ELSEWHERE, 40000, 25))) == [
        ("instances[3].nics[0]", FREE.format(TEST1, "web"))
    ]
    assert told(asked.explain(BRIDGE, Flow("tcp", INS1, ELSEWHERE, 40000, 25)))[0][1] == (
        f"No egress rule of the security groups db, web lets {INS1} send tcp port 25 to that address."
    )
    assert told(asked.explain(BRIDGE, Flow("tcp", ELSEWHERE, TEST1, 40000, 25)))[0][1] == (
        f"No rule of the security groups web takes tcp port 25 from {ELSEWHERE}."
    )
    assert told(asked.explain(BRIDGE, Flow("tcp", ROUTER, TEST1, 40000, 8080)))[0][1] == (
        f"tcp port 8080 between {ROUTER} and {TEST1} needs no rule: load balancer."
    )


def test_only_hosts_whose_rules_name_a_group_know_its_members() -> None:
    slices = slices_of(*variables())
    assert [one["addresses"] for one in slices["hv1"]["grouped"]["sets"]] != []
    assert slices["hv2"]["grouped"]["sets"] == []
    assert slices["gw1"]["grouped"] is None


def test_another_vpcs_member_is_none_here() -> None:
    """Addresses say who somebody is only in one VPC: in another of the same tenant's somebody else may have them."""
    wanted, hosts = variables()
    second = {**wanted["weft_vpcs"][1], "tenant": "admin"}
    wanted["weft_vpcs"][1] = second
    for instance in wanted["weft_instances"]:
        if instance["tenant"] == "admin1":
            instance["tenant"] = "admin"
            instance["nics"][0] |= {"security_groups": ["db"]}
    (members,) = [
        one["addresses"]
        for one in slices_of(wanted, hosts)["hv1"]["grouped"]["sets"]
        if one["key"].startswith("members")
    ]
    assert sorted(members) == ["192.168.20.182/32", "192.168.20.2/32"]


def test_a_removed_rule_ends_what_it_alone_admitted() -> None:
    wanted, hosts = variables()
    old = Groups(analysis().config.raw)
    del wanted["weft_security_groups"][0]["rules"][0]
    new = GroupAnalysis(slices_of(wanted, hosts)["hv1"]).config
    zone = next(iter(new.zones))
    assert ends(Flow("tcp", ELSEWHERE, TEST1, 40000, 85), zone, old, new)
    assert not ends(Flow("tcp", TEST2, TEST1, 40000, 5432), zone, old, new), "another rule admits it"
    assert not ends(Flow("tcp", TEST1, ELSEWHERE, 40000, 85), zone, old, new), "it was opened from here"
    assert not ends(Flow("tcp", ELSEWHERE, TEST1, 40000, 85), zone + 1, old, new), "another segment's"
    assert not ends(Flow("tcp", ELSEWHERE, TEST1, 40000, 91), zone, old, new), "no rule ever admitted it"
