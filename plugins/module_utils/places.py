# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The places of secrets in a file, which the controller marks and the host fills in.

A place is a token between two control characters, which no text of an inventory can have: so nothing but what was
sealed is ever replaced. A token is ``password:`` and the router that it is for, and what tells it from others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_START, _END = "\x02", "\x03"
_PLACE = re.compile(f"{_START}([^{_START}{_END}]*){_END}")


def marked(token: str) -> str:
    """The place of a secret."""
    return f"{_START}{token}{_END}"


def tokens_in(content: str) -> list[str]:
    """The tokens of all places, each once."""
    return sorted(set(_PLACE.findall(content)))


def router_of(token: str) -> str:
    """The router that a secret is for."""
    return token.split(":")[1]


def filled(content: str, secrets: Mapping[str, str]) -> str:
    """The content with secrets in their places, in one pass: what is put in is not looked at again."""
    return _PLACE.sub(lambda place: secrets[place[1]], content)
