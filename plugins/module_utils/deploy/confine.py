# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running a program of a machine's root tree without trusting it.

Checks run before the machine does, so there is nothing to enter yet; and the programs in its tree may have been
replaced by whoever broke into it. So they get the machine's own user namespace mapping, a network of their own and its
root: as little as the machine itself has.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Sequence
from typing import Callable

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import TIMEOUT, CommandError, Result

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """unshare(2); Python has its own only since 3.12."""
    if _libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _map_ids(request: int, answer: int, uid_base: int) -> None:
    """In a process of its own: give the one that names itself on ``request`` its user and group ids."""
    pid = int(os.read(request, 32))
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as target:
            target.write(f"0 {uid_base} 65536")
    os.write(answer, b"ok")


def _fork_mapper(uid_base: int) -> tuple[int, int, int]:
    """Start the mapper; returns its pid, the pipe to name oneself on and the pipe to wait on."""
    request_out, request_in = os.pipe()
    answer_out, answer_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(request_in)
            _map_ids(request_out, answer_in, uid_base)
            status = 0
        finally:
            os._exit(status)
    os.close(request_out)
    os.close(answer_in)
    return pid, request_in, answer_out


def _entry(root: int, uid_base: int, request: int, answer: int) -> Callable[[], None]:
    def enter() -> None:
        # A user namespace cannot be made after chroot, hence the descriptor.
        if uid_base:
            unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC)
            os.write(request, str(os.getpid()).encode())
            if os.read(answer, 2) != b"ok":
                raise OSError("the ids could not be mapped")
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        else:
            unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC)
        os.fchdir(root)
        os.chroot(".")

    return enter


def attempt_confined(
    argv: Sequence[str], root: str, uid_base: int, stdin: str = "", timeout: float = TIMEOUT
) -> Result:
    """Like commands.attempt, in ``root``, without a network, with the ids from ``uid_base`` on (0: the host's own)."""
    # Held no longer than needed: it would keep the root from being unmounted.
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    mapper, request, answer = _fork_mapper(uid_base)
    try:
        # No AnsibleModule is at hand here, whose run_command this rule wants.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            preexec_fn=_entry(handle, uid_base, request, answer),
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(argv, f"it took longer than {timeout:g} s") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CommandError(argv, f"it could not be started in {root}: {error}") from error
    finally:
        for each in (handle, request, answer):
            os.close(each)
        os.waitpid(mapper, 0)
    return Result(done.returncode, done.stdout, done.stderr)
