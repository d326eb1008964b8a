"""In the guest: have a playbook run by the controller outside, and pass on what it says; see controller.py.

Usage: ask.py STATE COMMAND..., with the run's directory of state. A script of its own, which imports next to nothing:
where everything is emulated, imports take seconds.
"""

import json
import os
import socket
import sys

#: Where the guest's SSH connection leads to the controller.
PORT = 7700
PASSED_ON = ("ANSIBLE_", "WEFT_", "LAB_ID", "PYTHONUNBUFFERED")


def main(state: str, *command: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    with socket.create_connection(("127.0.0.1", PORT)) as link, link.makefile("rw") as stream:
        stream.write(json.dumps({"state": state, "command": command, "environment": environment}) + "\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "status" in answer:
                return int(answer["status"])
            sys.stdout.write(answer["said"])
            sys.stdout.flush()
    print("The controller outside the guest has gone away.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
