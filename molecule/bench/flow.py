"""An echo request every 2 ms to the address given, from `ready` until a line comes on stdin; then what was lost.

It runs on a node of the lab. Prints `sent`, `lost` and `gap`, the longest time between two answers in seconds.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from itertools import pairwise


def main() -> None:
    """Ping until told to stop."""
    target = sys.argv[1]
    # The first answer may wait for ARP.
    subprocess.run(["ping", "-n", "-c", "3", "-i", "0.2", target], stdout=subprocess.DEVNULL, check=True)
    ping = subprocess.Popen(["ping", "-n", "-D", "-i", "0.002", target], stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    stdout = ping.stdout
    assert stdout
    reader = threading.Thread(target=lambda: lines.extend(stdout))
    reader.start()
    print("ready", flush=True)
    sys.stdin.readline()
    ping.send_signal(signal.SIGINT)
    reader.join()
    ping.wait()
    answers = [float(line[1 : line.index("]")]) for line in lines if "bytes from" in line]
    sent = next(int(found[1]) for line in lines if (found := re.search(r"(\d+) packets transmitted", line)))
    gap = max(later - earlier for earlier, later in pairwise(answers))
    # The last request may be on its way when the ping is told to stop.
    print(json.dumps({"sent": sent, "lost": max(sent - len(answers) - 1, 0), "gap": gap}))


if __name__ == "__main__":
    main()
