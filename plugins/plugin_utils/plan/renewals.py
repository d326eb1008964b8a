# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose DHCP lease says something else than the plan, and what goes on until the guest asks again.

A guest keeps what its lease said for as long as that lasts, whatever its router would say now. All that a subnet says
counts, but for what is named here, so that what is handed out one day is not forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice

#: How long a lease lasts (roles/dhcp_dns/templates/dnsmasq.conf.j2): who does nothing has the new values by then.
LEASE_HOURS = 12
#: What a subnet says that no guest is told, or that is told by something else in it.
NOT_LEASED = {"key", "source", "name", "interface", "shares_dhcp", "leases", "network_address", "netmask", "options"}
#: What a guest has not while its lease still says the old value of something.
LOSSES = {
    "gateway": "all that leaves its subnet",
    "cidr": "neighbours that only the new network has",
    "dns_servers": "names (where the old servers no longer answer)",
    "domain": "short names",
    "mtu": "packets that are larger than the new MTU",
}
LOST = "Until then nothing passes: its port lets it send from the new address only."
ENDS = f"Everything goes on until the lease ends, at most {LEASE_HOURS} hours; then it has no address."
HOW = (
    f"Guests renew their leases by themselves within {LEASE_HOURS} hours; a restart does it at once, or "
    "`networkctl renew` or `dhclient` in the guest."
)
NAMED = 8

Offer = dict[str, object]
Changes = tuple[tuple[str, object, object], ...]


class Told(NamedTuple):
    """What DHCP tells a NIC, which has this name there."""

    subnet: str
    name: str
    offer: Offer


@dataclass(frozen=True)
class Renewal:
    """NICs of one subnet (by host name) whose leases differ alike: what from what to what, and what goes on."""

    subnet: str
    instances: tuple[str, ...]
    changes: Changes
    until: str


def renewals(applied: Mapping[str, Slice], planned: Mapping[str, Slice]) -> list[Renewal]:
    """Return who must renew a lease, by subnet and by what differs."""
    before, after = _offers(applied), _offers(planned)
    alike: dict[tuple[str, str], list[tuple[str, Changes]]] = {}
    for nic in before.keys() & after.keys():
        changes = _changes(before[nic].offer, after[nic].offer)
        if changes:
            alike.setdefault((after[nic].subnet, repr(changes)), []).append((after[nic].name, changes))
    found = [
        Renewal(subnet, tuple(sorted(name for name, _changes in who)), who[0][1], _until(who[0][1]))
        for (subnet, _what), who in alike.items()
    ]
    return sorted(found, key=lambda one: (one.subnet, one.instances))


def as_json(one: Renewal) -> dict[str, Any]:
    """Return it for programs."""
    changes = [{"value": name, "old": old, "new": new} for name, old, new in one.changes]
    return {"subnet": one.subnet, "instances": list(one.instances), "changes": changes, "until": one.until}


def lines(found: list[Renewal]) -> Iterator[str]:
    """Yield them for a person to read."""
    for one in found:
        yield f"! {_who(one)} ({one.subnet})"
        for name, old, new in one.changes:
            yield f"    {name}: {_words(old)} -> {_words(new)}"
        yield f"    {one.until}"
    if found:
        yield HOW


def sentences(found: list[Renewal]) -> Iterator[str]:
    """Yield them as warnings."""
    for one in found:
        what = ", ".join(f"{name} {_words(old)} -> {_words(new)}" for name, old, new in one.changes)
        yield f"{_who(one)} of {one.subnet}: {what}. {one.until} {HOW}"


def _who(one: Renewal) -> str:
    more = f" and {len(one.instances) - NAMED} more" if len(one.instances) > NAMED else ""
    return f"DHCP leases to be renewed by {', '.join(one.instances[:NAMED])}{more}"


def _offers(slices: Mapping[str, Slice]) -> dict[tuple[str, str], Told]:
    """By router and MAC."""
    return {
        (router["key"], lease["mac"]): Told(subnet["key"], lease["name"], _offer(subnet, lease))
        for slice_ in slices.values()
        for router in slice_["routers"]
        for subnet in router["subnets"]
        for lease in subnet["leases"]
    }


def _offer(subnet: Mapping[str, Any], lease: Mapping[str, Any]) -> Offer:
    if not subnet["dhcp"]:
        return {}
    offer: Offer = {name: value for name, value in subnet.items() if name not in NOT_LEASED}
    offer |= {name: value for name, value in lease.items() if name not in ("mac", "default")}
    if not lease["default"]:
        del offer["gateway"]
    return offer | {f"option {one['code']}": one["value"] for one in subnet["options"]}


def _changes(old: Offer, new: Offer) -> Changes:
    """What differs of two offers, nothing being as good as an empty list; whom DHCP told nothing has no lease."""
    if old and not new:
        return (("dhcp", True, False),)
    names = sorted(old.keys() | new.keys()) if old else ()
    return tuple(
        (name, old.get(name), new.get(name)) for name in names if (old.get(name) or None) != (new.get(name) or None)
    )


def _until(changes: Changes) -> str:
    names = [name for name, _old, _new in changes]
    if names == ["dhcp"]:
        return ENDS
    if "ip" in names:
        return LOST
    lost = [words for name, words in LOSSES.items() if name in names and not _grows(name, changes)]
    lost += [f"what {name} is for" for name in names if name.startswith("option ")]
    return f"Until then everything goes on but {_listed(lost)}." if lost else "Until then everything goes on as it was."


def _grows(name: str, changes: Changes) -> bool:
    """Whether an MTU becomes larger, which takes nothing from anybody."""
    (old, new) = next((old, new) for one, old, new in changes if one == name)
    return isinstance(old, int) and isinstance(new, int) and new > old


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return str(value or "nothing")
