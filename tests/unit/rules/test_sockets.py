# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports that the router's own daemons hold: every one of them, on every kind of load balancer."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.rules.sockets import DAEMONS, Daemon
from ansible_collections.weft.vpc.tests.tools.intents import everything, findings_of

SOCKETS = [(daemon, protocol, port) for daemon in DAEMONS for protocol, port in daemon.sockets]
BALANCER = {True: 1, False: 0}  # of the everything fabric: one inside, one on a virtual IP


def clashes(daemon: Daemon, protocol: str, port: int, inside: bool, **router: Any) -> list[str]:
    document, hosts = everything()
    vpc = document["weft_vpcs"][0]
    vpc["router"] |= router
    # On a virtual IP with IPsec a listener of udp would take IKE's packets, which is another matter.
    del vpc["ipsec_connections"]
    check = {"health_check": {"type": "icmp"}} if protocol == "udp" else {}
    listener = {"name": "line", "protocol": protocol, "port": port, "backends": ["app"], "backend_port": 9, **check}
    vpc["load_balancers"][BALANCER[inside]]["listeners"] = [listener]
    vpc["load_balancers"] = [vpc["load_balancers"][BALANCER[inside]]]
    vpc["virtual_ips"][0].pop("firewall")
    errors = [finding for finding in findings_of(document, hosts) if finding.severity == "error"]
    assert {finding.rule for finding in errors} <= {"WEFT-N1-port"}
    return [finding.reason for finding in errors if daemon.label in finding.reason]


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(("daemon", "protocol", "port"), SOCKETS)
def test_a_socket_has_one_holder(daemon: Daemon, protocol: str, port: int, inside: bool) -> None:
    taken = protocol == "tcp" and (inside or not daemon.inside)
    assert bool(clashes(daemon, protocol, port, inside)) == taken


def test_a_daemon_that_does_not_run_holds_nothing() -> None:
    bgp = next(daemon for daemon in DAEMONS if ("tcp", 179) in daemon.sockets)
    assert clashes(bgp, "tcp", 179, inside=True)
    assert not clashes(bgp, "tcp", 179, inside=True, bgp=None)
