# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may stand in a file: plain words, and what a sink has quoted. A template that forgets its sink fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import nodes

from ansible_collections.weft.vpc.plugins.plugin_utils.render import sinks
from ansible_collections.weft.vpc.plugins.plugin_utils.render.environment import environment, fill
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import ROLES_DIRECTORY
from ansible_collections.weft.vpc.plugins.plugin_utils.render.sinks import SinkError

TOKEN = f"password:shop.blue:{'0' * 64}"
HOSTILE = ["a\nb", "a\0b", "a b", "#", "'", '"', "$x", "`x`", ";", "{{ x }}", "%i", "a\\", "é", "a,b", "\x02a\x03", "*"]


def render(template: str, **names: Any) -> str:
    return str(environment().from_string(template).render(names))


@pytest.mark.parametrize("value", ["web-1", "10.0.0.0/8", "02:00:00:00:00:01", "a_b", "", ",", 0, -5])
def test_plain_words_and_numbers_need_no_sink(value: Any) -> None:
    assert render("x{{ value }}y", value=value) == f"x{value}y"


@pytest.mark.parametrize("value", [*HOSTILE, True, None, 1.5, ["a"]])
def test_everything_else_without_a_sink_is_an_error(value: Any) -> None:
    with pytest.raises(SinkError):
        render("x{{ value }}y", value=value)


def output_texts() -> list[tuple[str, str]]:
    """Each text that a role's template puts out itself, whatever branch it is in: outside of any filter's arguments."""
    found = []
    for path in sorted(ROLES_DIRECTORY.glob("*/templates/*.j2")):
        for output in environment().parse(path.read_text(encoding="utf-8")).find_all(nodes.Output):
            for one in output.nodes:
                branches = [one.expr1, one.expr2] if isinstance(one, nodes.CondExpr) else [one]
                texts = [branch.value for branch in branches if isinstance(branch, nodes.Const)]
                found += [(f"{path.parents[1].name}/{path.name}", text) for text in texts]
    return found


def test_what_a_template_says_itself_is_plain() -> None:
    """Else it could be written in one branch only, and nobody would see it in the other."""
    texts = output_texts()
    assert ("lb/lb_udp.json.j2", ",") in texts
    for place, text in texts:
        assert sinks.plain(text) == text, place


@pytest.mark.parametrize("text", ["/etc/{{ one.name }}", "{{ one.name }}{{ 1 + 1 }}"])
@pytest.mark.parametrize("value", HOSTILE)
def test_declarations_take_plain_words_only(text: str, value: str) -> None:
    with pytest.raises(SinkError):
        fill(text, {"one": {"name": value}})


@pytest.mark.parametrize(
    "template", ["{{ text | comment ~ text }}", "{{ (text | unit) + bad }}", "{{ [bad] | join(',') }}"]
)
def test_what_is_joined_to_a_quoted_text_is_looked_at_again(template: str) -> None:
    with pytest.raises(SinkError):
        render(template, text="a b", bad="c\nd")


def test_what_a_macro_makes_stands_in_another_template() -> None:
    macro = "{% macro line(name) %}\nname = {{ name }};\n{% endmacro %}{{ line(name) }}"
    assert render(macro, name="a") == "name = a;\n"
    with pytest.raises(SinkError):
        render(macro, name="a;\n}")


@pytest.mark.parametrize(
    ("sink", "value", "written"),
    [
        (sinks.comment, "router a/b, 50%", "router a/b, 50%"),
        (sinks.unit, "link a to b, 50%", "link a to b, 50%%"),
        (sinks.words, "from all to 10.0.0.0/8", "from all to 10.0.0.0/8"),
        (sinks.haproxy, "/images/", "/images/"),
        (sinks.haproxy, "/a%20b", "'/a%20b'"),
        (sinks.haproxy, "it's", "'it'\\''s'"),
        (sinks.swanctl, 'a "b" \\', '"a \\"b\\" \\\\"'),
        (sinks.sealed, TOKEN, f"\x02{TOKEN}\x03"),
        (sinks.tojson, {"a": "é\n<"}, '{"a": "\\u00e9\\n<"}'),
        (sinks.dnsmasq, {"form": "words", "value": "192.0.2.1,192.0.2.2"}, "192.0.2.1,192.0.2.2"),
        (sinks.dnsmasq, {"form": "text", "value": ' # "é\\'}, '" # \\"é\\\\"'),
        (sinks.dnsmasq, {"form": "bytes", "value": "0aff"}, "0a:ff"),
        (sinks.dnsmasq, {"form": "bytes", "value": "ff"}, "255b"),
    ],
)
def test_what_a_sink_writes(sink: Callable[[Any], str], value: Any, written: str) -> None:
    assert sink(value) == written


@pytest.mark.parametrize(
    ("sink", "value"),
    [
        *[(one, "a\nb") for one in (sinks.comment, sinks.unit, sinks.words, sinks.haproxy, sinks.swanctl, sinks.pem)],
        *[(one, "a\x02") for one in (sinks.comment, sinks.unit, sinks.words, sinks.haproxy, sinks.swanctl, sinks.pem)],
        (sinks.comment, "goes on\\"),
        (sinks.unit, " a"),
        (sinks.words, "a; b"),
        (sinks.haproxy, "-f"),
        (sinks.haproxy, ""),
        (sinks.sealed, "secret"),
        (sinks.sealed, TOKEN + "\n"),
        (sinks.pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nand more"),
        (sinks.dnsmasq, {"form": "words", "value": "a b"}),
        (sinks.dnsmasq, {"form": "text", "value": "a\nserver=192.0.2.1"}),
        (sinks.dnsmasq, {"form": "text", "value": ""}),
        (sinks.dnsmasq, {"form": "bytes", "value": "0"}),
    ],
)
def test_what_a_sink_refuses(sink: Callable[[Any], str], value: Any) -> None:
    with pytest.raises(SinkError):
        sink(value)
