"""Measures the collection: the controller, runs of `site`, what rules cost packets. See docs/performance.md."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
#: The lab that is measured in.
LAB = "bnch"
