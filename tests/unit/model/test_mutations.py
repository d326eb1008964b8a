# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The changes that random tests draw from are changes, of every key."""

from __future__ import annotations

from ansible_collections.weft.vpc.tests.tools.fields import places
from ansible_collections.weft.vpc.tests.tools.intents import everything
from ansible_collections.weft.vpc.tests.tools.mutations import apply, mutations


def test_every_key_changes_and_the_document_stays() -> None:
    document = everything()[0]
    for mutation in mutations(document):
        changed = next(mutation.results(document))
        assert changed != document, mutation
    assert document == everything()[0]


def test_every_key_is_left_out_once_and_nearly_every_one_has_another_value() -> None:
    document = everything()[0]
    given = [place.path for place in places(document) if place.field.name in place.mapping]
    found = [str(mutation) for mutation in mutations(document)]
    assert len(found) == len(set(found))
    assert {f"{path} left out" for path in given} <= set(found)
    assert sum(f"{path} changed" in found for path in given) > 0.7 * len(given)


def test_the_first_value_that_is_taken_counts() -> None:
    document = everything()[0]
    (host,) = (one for one in mutations(document) if str(one) == "weft_instances[1].host changed")
    moved = apply(document, host, lambda changed: changed["weft_instances"][1]["host"] == "hv1")
    assert moved and moved["weft_instances"][1] == document["weft_instances"][1] | {"host": "hv1"}
    assert apply(document, host, lambda _changed: False) is None
