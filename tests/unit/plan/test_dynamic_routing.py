# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a router with BGP and OSPF is told; and that passwords of either never pass the seal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import parse_items
from ansible_collections.weft.vpc.plugins.module_utils.places import filled, marked
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.passwords import contents, seal, token, wanted
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice, make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import Item, render
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import load
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough

SECRET = "the-secret"
CONFIG = "/etc/frr/frr.conf"


def intent(router: dict[str, Any]) -> dict[str, Any]:
    variables, _hosts = walkthrough()
    variables["weft_vpcs"][0]["router"] |= router
    return variables


def bgp(**keys: Any) -> dict[str, Any]:
    return {"bgp": {"asn": 65010, "neighbors": [{"address": "10.0.0.1", "asn": 65000, **keys}]}}


def told(router: dict[str, Any]) -> Slice:
    """The router node's slice."""
    parsed, _warnings = load(seal(intent(router)), walkthrough()[1])
    now, rest = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    values = allocate(Ledger("shanghai"), list(requests(parsed)), now, rest).values
    return make_plan(parsed, values, "", {"gw1": {}}).hosts["gw1"]


def items(slice_: Slice) -> list[Item]:
    return [item for item in render(slice_) if any(file["path"] == CONFIG for file in item["files"])]


def config(slice_: Slice) -> str:
    (item,) = items(slice_)
    return str(next(file["content"] for file in item["files"] if file["path"] == CONFIG))


def test_nothing_is_learned_unless_it_is_asked_for() -> None:
    text = config(told(bgp() | {"ospf": {}}))
    assert "route-map accept-10.0.0.1 deny 20" in text
    assert "route-map accept-ospf deny 20" in text
    assert "route-map accept-10.0.0.1 permit" not in text
    assert "route-map accept-ospf permit" not in text


def test_only_addresses_of_the_neighbors_network_are_announced() -> None:
    text = config(told(bgp()))
    assert "ip prefix-list public-pub4 seq 5 permit 10.0.0.0/8 ge 32\n" in text
    assert "  neighbor 10.0.0.1 prefix-list public-pub4 out\n" in text


def test_a_learned_default_route_comes_before_the_gateways() -> None:
    def gateway(router: dict[str, Any]) -> set[str]:
        files = [file for item in render(told(router)) for file in item["files"] if "/10-pub4.network" in file["path"]]
        return {line for file in files for line in file["content"].splitlines() if line.startswith("Table=")}

    assert gateway(bgp(accept=["172.16.0.0/16"])) == set()
    assert gateway(bgp(accept=["0.0.0.0/0"])) == {"Table=default"}
    assert gateway({"ospf": {"accept": ["0.0.0.0/0"]}}) == {"Table=default"}


def test_passwords_are_put_in_by_the_host_alone() -> None:
    router = bgp(password=SECRET) | {"ospf": {"password": f"{SECRET}-2"}}
    slice_ = told(router)
    assert SECRET not in str(slice_)
    assert SECRET not in str(render(slice_))
    found = contents(intent(router))
    assert found.keys() == wanted(slice_).keys()
    (item,) = parse_items(items(slice_), found)
    file = item.file(CONFIG)
    assert file is not None
    assert (file.secret, file.mode) == (True, 0o600)
    assert f" neighbor 10.0.0.1 password {SECRET}\n" in file.content
    assert f" ip ospf message-digest-key 1 md5 {SECRET}-2\n" in file.content
    with pytest.raises(DeployError, match="did not come with the payload"):
        parse_items(items(slice_), {})


def test_a_file_without_a_password_is_no_secret() -> None:
    (item,) = parse_items(items(told(bgp())))
    file = item.file(CONFIG)
    assert file is not None
    assert not file.secret


def test_a_fabrics_name_is_in_the_token() -> None:
    assert token(SECRET, "one", "a.t") != token(SECRET, "two", "a.t")


def test_a_password_is_for_one_router_and_no_other() -> None:
    slice_ = told(bgp(password=SECRET))
    found = contents(intent(bgp(password=SECRET)))
    assert [one.split(":")[1] for one in found] == ["vpc-1.admin"]
    stolen = items(slice_)
    stolen[0]["scope"] = "router:vpc-2.admin1"
    with pytest.raises(DeployError, match=r"is for the router vpc-1\.admin"):
        parse_items(stolen, found)


def test_a_text_that_looks_like_a_token_is_text() -> None:
    found = contents(intent(bgp(password=SECRET)))
    (secret,) = found
    assert filled(f"a {secret} b", found) == f"a {secret} b"
    assert filled(f"a {marked(secret)} b", found) == f"a {SECRET} b"
    # What is put in is not looked at again.
    assert filled(marked("x"), {"x": marked(secret), **found}) == marked(secret)


@pytest.mark.parametrize(
    ("router", "words"),
    [
        (bgp(password=f"{SECRET} {SECRET}"), "router.bgp.neighbors[0].password: is empty or has characters"),
        (bgp(password=""), "router.bgp.neighbors[0].password: is empty or has characters"),
        (bgp(password=[SECRET]), "router.bgp.neighbors[0].password: is not a string"),
        (bgp(password=SECRET * 9), "router.bgp.neighbors[0].password: is longer than the 80 characters"),
        ({"ospf": {"password": SECRET * 2}}, "router.ospf.password: is longer than the 16 characters"),
    ],
)
def test_errors_do_not_show_a_password(router: dict[str, Any], words: str) -> None:
    with pytest.raises(IntentError) as caught:
        seal(intent(router))
    assert f"weft_vpcs[0].{words}" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "odd",
    [
        {"weft_vpcs": "text"},
        {"weft_vpcs": [None, {"router": []}]},
        {"weft_vpcs": [{"router": {"bgp": {"neighbors": 1}}}]},
    ],
)
def test_what_is_no_intent_is_left_to_the_model(odd: dict[str, Any]) -> None:
    assert seal(odd) == odd
