"""A process that has `ansible-playbook` and this collection imported, and forks for every run that it is asked for.

Run as `python ready_server.py FD` by `checks.ready`; FD is a socket. Each message is a run: JSON, and two files: what
the run writes to, and where its exit status is told. A run is the very `main` of `ansible-playbook`, in a process that
is no copy of one that ever ran a play, with the arguments, environment, directory and network that it was asked for.
Other than with the program, all runs of one process share Python's hash seed.

It ends when nobody can ask it any more, and its runs with it. Python's library and Ansible only.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG, CLONE_NEWNET = 1, 0x40000000
LONGEST = 1 << 20
#: What every run imports, many of them in each of its workers.
USED = (
    "ansible.cli.playbook",
    "ansible.executor.module_common",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.plugins.action.normal",
    "ansible.plugins.callback.default",
    "ansible.plugins.shell.sh",
    "ansible.plugins.strategy.linear",
)
LIBRARY = "ansible_collections.weft.vpc.plugins"
libc = ctypes.CDLL(None, use_errno=True)


def prepare() -> None:
    """Import what runs import, and leave Ansible as if it had not begun: a run sets its own finder up."""
    for name in USED:
        importlib.import_module(name)
    from ansible.plugins.loader import init_plugin_loader
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    init_plugin_loader([])
    for part in ("module_utils", "plugin_utils"):
        package = importlib.import_module(f"{LIBRARY}.{part}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    _AnsibleCollectionFinder._remove()


def checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def die_with(parent: int) -> None:
    """End when the process ends that forked this one."""
    checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def watch(pid: int, report: socket.socket) -> None:
    """Tell how a run ended; who no longer wants to know has given up, and then it is killed."""
    end = os.pidfd_open(pid)
    if report.fileno() in select.select([end, report.fileno()], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        report.send(str(status).encode())


def run(wanted: dict[str, Any], output: int) -> None:
    """Become `ansible-playbook`."""
    with open(wanted["network"]) as network:
        checked(libc.setns(network.fileno(), CLONE_NEWNET))
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["directory"])
    sys.argv[:] = wanted["argv"]
    own_temporary_directory()
    from ansible.cli.playbook import main

    sys.exit(main())


def own_temporary_directory() -> None:
    """Ansible makes one when it is imported, and removes it at the end."""
    from ansible import constants
    from ansible.utils.path import cleanup_tmp_file

    atexit.unregister(cleanup_tmp_file)
    place = os.path.dirname(constants.DEFAULT_LOCAL_TMP)
    own = tempfile.mkdtemp(prefix=f"ansible-local-{os.getpid()}", dir=place)
    atexit.register(cleanup_tmp_file, own, warn=True)
    constants.DEFAULT_LOCAL_TMP = own


def next_run(control: socket.socket) -> Callable[[], None] | None:
    """Wait for runs and start them. In a process that is one: what it has to do; None at the end of all."""
    while True:
        message, files, _flags, _sender = socket.recv_fds(control, LONGEST, 2)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not message:
            return None
        output, report = files
        server = os.getpid()
        if os.fork():
            os.close(output)
            os.close(report)
            continue
        die_with(server)
        control.close()
        watcher = os.getpid()
        if pid := os.fork():
            os.close(output)
            watch(pid, socket.socket(fileno=report))
            os._exit(0)
        die_with(watcher)
        os.close(report)
        return lambda: run(json.loads(message), output)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    # As for the program: nothing of this directory is found by its name.
    sys.path[0] = os.path.dirname(sys.executable)
    prepare()
    if its := next_run(control):
        its()


if __name__ == "__main__":
    main()
