"""Runs lists of make's targets side by side, and says what became of them. See CONTRIBUTING.md, "Two lists"."""
