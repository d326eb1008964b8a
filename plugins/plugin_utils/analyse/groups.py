# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host of the plan lets in and out of its ports, and the rules of security groups that decided.

What it does is asked of the function that hosts use, with the file that they get; here it only gets its words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Reason
from ansible_collections.weft.vpc.plugins.module_utils.groups import EGRESS, INGRESS, Groups, judge
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse.explain import Answer, Rule, service
from ansible_collections.weft.vpc.plugins.plugin_utils.render.environment import template

_Part = Mapping[str, Any]


@dataclass(frozen=True)
class GroupAnalysis:
    """The security groups of a plan's slice of a host, ready to be asked; `slice_["grouped"]` is not None."""

    slice_: _Part

    @cached_property
    def config(self) -> Groups:
        """What the host knows of them: the file that the plan renders."""
        return Groups(json.loads(template("security_group/groups.json.j2").render(host=self.slice_)))

    @cached_property
    def _sets(self) -> dict[str, _Part]:
        return {one["name"]: one for one in self.slice_["grouped"]["sets"]}

    def explain(self, bridge: str, flow: Flow) -> Answer:
        """What the host does with a flow between two addresses of the segment on one of its bridges, and why."""
        zones = {one["bridge"]: one["zone"] for one in self.slice_["grouped"]["zones"]}
        # Where nothing is filtered nothing is tracked: no zone is number 0.
        verdict = judge(flow, zones.get(bridge, 0), self.config)
        return Answer(verdict, tuple(self._rule(reason, flow) for reason in verdict.reasons))

    def _rule(self, reason: Reason, flow: Flow) -> Rule:
        if reason.kind == "group":
            return self._of_group(reason.key[0], reason.key[1], flow)
        port = next(one for one in self.slice_["grouped"]["ports"] if one["devices"][0] == reason.key[0])
        return Rule(port["key"], port["source"], _sentence(reason, port, flow))

    def _of_group(self, name: str, direction: str, flow: Flow) -> Rule:
        group = next(one for one in self.slice_["grouped"]["groups"] if one["name"] == name)
        rule = next(one for one in group["rules"] if one["direction"] == direction and self._about(one, flow))
        does = f"takes {service(flow)} from {flow.source}" if direction == INGRESS else _sends(flow)
        peers = self._sets.get(rule["peers"])
        why = "" if peers is None else f", by {peers['key']}"
        return Rule(rule["key"], rule["source"], f"{group['key']} {does}{why}.")

    def _about(self, rule: _Part, flow: Flow) -> bool:
        """Whether the rule admits the flow, whose direction is the rule's."""
        if rule["protocol"] not in ("any", flow.protocol):
            return False
        first, last = rule["ports"] or (0, 65535)
        named = zip((rule["icmp_type"], rule["icmp_code"]), flow.icmp, strict=True)
        if not first <= flow.destination_port <= last or any(wanted not in (None, told) for wanted, told in named):
            return False
        cidrs = rule["cidrs"] if rule["peers"] is None else self._sets[rule["peers"]]["addresses"]
        peer = IPv4Address(flow.source if rule["direction"] == INGRESS else flow.destination)
        return any(peer in IPv4Network(cidr) for cidr in cidrs) or (not cidrs and rule["peers"] is None)


def _sends(flow: Flow) -> str:
    return f"lets {flow.source} send {service(flow)} to {flow.destination}"


def _sentence(reason: Reason, port: _Part, flow: Flow) -> str:
    named = ", ".join(port["named"])
    if reason.kind == "everything":
        return f"{flow.source} may send everything: none of its security groups ({named}) has an egress rule."
    if reason.kind == "service":
        return f"{service(flow)} between {flow.source} and {flow.destination} needs no rule: {reason.key[1]}."
    if reason.key[1] == EGRESS:
        return f"No egress rule of the security groups {named} lets {flow.source} send {service(flow)} to that address."
    return f"No rule of the security groups {named} takes {service(flow)} from {flow.source}."
