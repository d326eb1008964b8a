"""The packages the nodes may install, offline."""

from __future__ import annotations


def ensure(suite: str) -> None:
    """To come."""
