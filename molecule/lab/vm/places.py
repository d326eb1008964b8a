"""Where the things of a running guest are on this computer; what it boots from is in the cache, by hash."""

from __future__ import annotations

from pathlib import Path

from lab.paths import BASE, CHECKOUT

# Beside the labs, whose names are shorter.
HOME = BASE / "guest"
LOCK = HOME / "lock"
# In the guest the cache is on the disk of its labs, which it makes hard links to.
CACHE_IN_GUEST = BASE / "cache"
KEY = HOME / "id_ed25519"
CONSOLE = HOME / "console.log"
SYNCED = HOME / "synced.json"
KVM = HOME / "kvm"
# Sockets have short names (108 characters), and a clone may lie deep.
SOCKETS = Path("/run") / f"weftlab-guest-{CHECKOUT}"
MONITOR = SOCKETS / "monitor"
SSH = SOCKETS / "ssh"
CONTROLLER = SOCKETS / "controller"
PID = SOCKETS / "pid"
