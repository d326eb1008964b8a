"""Where the guest's things are on this computer."""

from __future__ import annotations

from pathlib import Path

from lab.paths import BASE, CACHE, CHECKOUT

# Beside the images, not beside the labs: whatever is there besides "cache" is a lab by its id.
HOME = CACHE / "guest"
LOCK = CACHE / "guest.lock"
# In the guest the cache is on the disk of its labs, which it makes hard links to.
CACHE_IN_GUEST = BASE / "cache"
KEY = HOME / "id_ed25519"
CONSOLE = HOME / "console.log"
SYNCED = HOME / "synced.json"
ACCELERATOR = HOME / "accelerator"
# Sockets have short names (108 characters), and a clone may lie deep.
SOCKETS = Path("/run") / f"weftlab-guest-{CHECKOUT}"
MONITOR = SOCKETS / "monitor"
SSH = SOCKETS / "ssh"
CONTROLLER = SOCKETS / "controller"
PID = SOCKETS / "pid"
