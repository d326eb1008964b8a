"""The lab: a small data centre of real Linux machines on one computer."""
