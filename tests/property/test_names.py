# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names drawn from the daemons' own words and from what the product makes itself: refused, or names and no more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.tests.tools.intents import findings_of, slices_of, walkthrough

# Words of dnsmasq's dhcp-host and hosts, of HAProxy's configuration, of resolvers; and what the product makes of `web`.
WORDS = [
    "ignore", "infinite", "0", "42", "7d", "15m", "2H", "1w", "30s", "5x", "deadbeef", "localhost", "LOCALHOST", "wpad",
    "isatap", "default", "static", "tag", "set", "id", "net", "server", "listen", "statistics", "weft", "self", "check",
    "backup", "web", "Web", "web-nic0", "web-nic1", "web-blog", "web-nic1-blog", "web-1",
]  # fmt: skip
SECONDARY = ["blog", "nic1", "1", "nic1-blog"]
# How dnsmasq reads a word of a line of dhcp-hostsfile that is neither address, MAC nor tag (option.c of 2.90).
TIME = re.compile(r"[0-9]+[smhdw]?", re.IGNORECASE)


@st.composite
def fabrics(draw: Callable[..., Any]) -> dict[str, Any]:
    """The walkthrough's first VPC with a few instances of such names, and all of them behind one listener."""
    variables, _hosts = walkthrough()
    vpc, instances, backends = variables["weft_vpcs"][0], [], []
    for name in draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True)):
        nics: list[dict[str, Any]] = [{"network": "vpc-1-1"}, {"network": "vpc-1-2"}][: draw(st.integers(1, 2))]
        nics[0]["secondary_ips"] = [{"name": one} for one in draw(st.lists(st.sampled_from(SECONDARY), unique=True))]
        instances.append({"name": name, "tenant": "admin", "host": "hv1", "nics": nics})
        backends += [name, *(f"{name}/{one['name']}" for one in nics[0]["secondary_ips"])]
        backends += [f"{name}:1"] if len(nics) > 1 else []
    line = {"name": "line", "port": 80, "backends": backends, "backend_port": 80}
    vpc |= {"load_balancers": [{"name": "lb", "virtual_ip": "vip-lb", "listeners": [line]}]}
    variables["weft_vpcs"] = [vpc | {"port_forwards": [], "elastic_ips": [], "routes": []}]
    return variables | {"weft_instances": instances}


@settings(suppress_health_check=list(HealthCheck))
@given(fabrics())
def test_what_is_accepted_is_a_name_and_one_alone(variables: dict[str, Any]) -> None:
    hosts = walkthrough()[1]
    try:
        (router,) = slices_of(variables, hosts)["gw1"]["routers"]
    except IntentError as error:
        assert {finding.rule for finding in error.findings} <= {"WEFT-A7-name", "WEFT-A7-case"}
        assume(False)
    names = [lease["name"] for subnet in router["subnets"] for lease in subnet["leases"]]
    assert not [name for name in names if TIME.fullmatch(name) or name in ("ignore", "infinite")]
    assert not {name.lower() for name in names} & {"localhost", "wpad", "isatap"}
    assert len({name.lower() for name in names}) == len(names)
    servers = [backend["name"] for backend in router["listeners"][0]["default"]["backends"]]
    assert len(set(servers)) == len(servers)
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]+", name) for name in servers)


def test_names_of_every_day_are_accepted() -> None:
    for name in ("web", "web-1", "db42", "7days", "deadbeef", "mail", "x1w", "default"):
        variables, hosts = walkthrough()
        variables["weft_instances"][2]["name"] = name
        assert not findings_of(variables, hosts)
