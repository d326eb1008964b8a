"""A hostile checker of a machine's tree gets nowhere, and neither do files that a tool of the host is fed with."""

from __future__ import annotations

import ctypes
import os
import pickle
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.bounded import NotStartedError, attempt_bounded
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError, Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.confine import checker, inside, tool
from ansible_collections.weft.vpc.plugins.module_utils.deploy.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    PR_SET_PDEATHSIG,
    mount,
    prctl,
    unshare,
)

#: No machine's: what a checker could kill would be these tests' alone.
IDS = 1_943_011_328
#: What the scripts have at hand.
TOOLS = """
import ctypes, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    return "done" if getattr(libc, name)(*arguments) >= 0 else os.strerror(ctypes.get_errno())
def tried(what):
    try:
        return f"done: {what()}"
    except OSError as error:
        return error.strerror
"""


def apart(do: Callable[[], Any], root: Path | None = None) -> Any:
    """What a function returns or raises, in a process with mounts of its own, where a tree has the host's programs."""
    answer, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            unshare(CLONE_NEWNS)
            mount("", "/", "", MS_REC | MS_PRIVATE)
            if root is not None:
                mount("/usr", f"{root}/usr", "", MS_BIND | MS_REC)
            result: Any = do()
        except CommandError as error:
            result = type(error).__name__, error.message
        except BaseException as error:
            result = repr(error)
        os.write(told, pickle.dumps(result))
        os._exit(0)
    os.close(told)
    with os.fdopen(answer, "rb") as source:
        said = source.read()
    os.waitpid(pid, 0)
    return pickle.loads(said)


@pytest.fixture
def root() -> Iterator[Path]:
    """A machine's tree, with Python; beside it, and for anybody, what must not be reached."""
    place = Path(tempfile.mkdtemp(prefix="weft-confine-", dir="/var/tmp"))
    place.chmod(0o755)
    tree = place / "root"
    for path in (tree / "usr", tree / "etc", tree / "tmp", tree / "dev"):
        path.mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    (tree / "tmp").chmod(0o777)
    os.chown(tree, IDS, IDS)
    outside = place / "outside"
    outside.write_text("outside\n")
    outside.chmod(0o644)
    yield tree
    shutil.rmtree(place)


Check = Callable[..., Any]


@pytest.fixture
def check(root: Path) -> Check:
    """Run a script as a checker; what it said, or a kind and a message."""

    def run(script: str, ids: int = IDS, timeout: float = 20, **words: object) -> Any:
        text = TOOLS + "\n".join(line.removeprefix("    ") for line in script.splitlines())
        for name, value in words.items():
            text = text.replace(f"<{name}>", str(value))
        done = apart(lambda: attempt_bounded(["python3", "-I", "-c", text], checker(str(root), ids), "", timeout), root)
        return done.out + done.err if isinstance(done, Result) else done

    return run


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user of the host, as another machine's would be."""
    with subprocess.Popen(["sleep", "60"], user=IDS, group=IDS, extra_groups=[]) as process:
        yield process
        process.kill()


ESCAPES = {
    "out of chroot": """
    print(tried(lambda: os.mkdir("/tmp/x")), tried(lambda: os.chroot("/tmp/x")))
    """,
    "out of chroot, in a user namespace of its own": """
    print(call("unshare", 0x10000000), tried(lambda: os.mkdir("/tmp/x")), tried(lambda: os.chroot("/tmp/x")))
    """,
}
CLIMB = """
    for _up in range(64):
        tried(lambda: os.chdir(".."))
    tried(lambda: os.chroot("."))
    for base in ("", "."):
        print(tried(lambda: open(base + "<outside>").read()))
    print(sorted(set(os.listdir(".")) - {"bin", "sbin", "lib", "lib64", "usr", "etc", "tmp", "dev"}))
    """


@pytest.mark.parametrize("ids", [IDS, 0])
@pytest.mark.parametrize("way", ESCAPES)
def test_a_checker_reaches_no_file_outside_its_tree(check: Check, root: Path, way: str, ids: int) -> None:
    said = check(ESCAPES[way] + CLIMB, ids, outside=root.parent / "outside").splitlines()
    assert said[1:] == ["No such file or directory"] * 2 + ["[]"], said


def test_a_checker_has_no_capability_and_gets_none(check: Check) -> None:
    script = """
    print([libc.prctl(24 - 1, number, 0, 0, 0) for number in range(41)].count(0))
    print(libc.prctl(39, 0, 0, 0, 0))
    print(tried(lambda: os.chroot("/tmp")))
    print(call("sethostname", b"x", 1))
    print(call("mount", b"x", b"/tmp", b"tmpfs", 0, None))
    print(call("umount2", b"/usr", 2))
    print(tried(lambda: os.mknod("/tmp/zero", 0o20666, 0x105)))
    """
    said = check(script).splitlines()
    assert said[:2] == ["41", "1"]
    assert said[2:] == ["Operation not permitted"] * 5


@pytest.mark.parametrize("ids", [IDS, 0])
def test_a_checker_sees_nothing_of_others(check: Check, ids: int) -> None:
    inherited = os.dup(1)
    os.set_inheritable(inherited, True)
    script = """
    print(os.listdir("/proc") if os.path.exists("/proc") else [], os.path.exists("/sys"), sorted(os.listdir("/dev")))
    print(os.getpid(), os.getppid(), socket.if_nameindex(), socket.gethostname() and sorted(os.environ))
    print([number for number in range(3, 4096) if tried(lambda: os.fstat(number)).startswith("done")])
    print(tried(lambda: socket.create_connection(("127.0.0.1", 22), 1)), os.getsid(0))
    """
    said = check(script, ids).splitlines()
    os.close(inherited)
    assert said == [
        "[] False ['full', 'null', 'random', 'urandom', 'zero']",
        "2 1 [(1, 'lo')] ['LC_ALL', 'PATH']",
        "[]",
        "Network is unreachable 0",
    ]


def test_a_checker_kills_and_traces_nobody(check: Check, victim: subprocess.Popen[bytes]) -> None:
    script = """
    print([call("ptrace", 16, pid, 0, 0) for pid in (1, <victim>)])
    print(tried(lambda: os.kill(<victim>, 9)), tried(lambda: os.kill(1, 9)))
    print(tried(lambda: os.kill(-1, 9)))
    """
    said = check(script, victim=victim.pid).splitlines()
    assert said == [
        "['Operation not permitted', 'No such process']",
        "No such process done: None",
        "No such process",
    ]
    assert victim.poll() is None


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="calls keyctl by its number")
def test_a_checker_has_no_keys_of_the_host(check: Check) -> None:
    join, session = (1, b"weft-test"), (0, ctypes.c_int(-3), 0)
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> Any:
        libc.syscall(250, *join)
        return libc.syscall(250, *session), check("    print(libc.syscall(250, 0, ctypes.c_int(-3), 0))")

    own, checkers = apart(ask)
    assert own > 0 and int(checkers) not in (0, -1, own)


def test_what_a_checker_starts_ends_with_it(check: Check, root: Path) -> None:
    script = """
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            time.sleep(1)
            open("/tmp/late", "w").write("late")
            time.sleep(60)
        os._exit(0)
    print("checked")
    """
    begun = time.monotonic()
    assert check(script) == "checked\n"
    assert time.monotonic() - begun < 10
    time.sleep(1.5)
    assert not (root / "tmp/late").exists()


def owners() -> Iterator[int]:
    """Of all processes."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError):
            yield path.stat().st_uid


def test_a_checker_that_does_not_end_is_ended_with_all_it_started(check: Check) -> None:
    script = """
    for _each in range(3):
        os.fork()
    os.setsid() if os.getpid() != os.getpgrp() else None
    time.sleep(60)
    """
    assert check(script, timeout=1) == ("CommandError", "it took longer than 1 s")
    end = time.monotonic() + 5
    while any(one == IDS for one in owners()):
        assert time.monotonic() < end


def test_a_checker_says_so_much_and_no_more(check: Check) -> None:
    for handle in (1, 2):
        said = check(f"    while True:\n        os.write({handle}, b'x' * 65536)")
        assert said == ("CommandError", "it said more than 1048576 bytes")


def test_a_checker_takes_so_much_and_no_more(check: Check) -> None:
    script = """
    try:
        kept = bytearray(2 << 30)
    except MemoryError:
        print("no memory")
    children = []
    while len(children) < 200 and tried(lambda: children.append(os.fork() or time.sleep(60))).startswith("done"):
        pass
    print(len(children) < 40)
    try:
        open("/tmp/large", "wb").truncate(1 << 30)
    except OSError as error:
        print(error.strerror)
    """
    assert check("    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + script).splitlines() == [
        "no memory",
        "True",
        "File too large",
    ]


def test_a_checker_is_root_of_its_tree(check: Check, root: Path) -> None:
    os.chown(root / "etc", IDS, IDS)
    assert (
        check("    print(os.getuid(), os.getgid(), os.getgroups(), os.umask(0)); open('/etc/x', 'w')") == "0 0 [] 18\n"
    )
    assert (root / "etc/x").stat().st_uid == IDS


def test_a_link_in_place_of_devices_is_not_followed(check: Check, root: Path) -> None:
    (root / "dev").rmdir()
    (root / "dev").symlink_to(root.parent)
    kind, message = check("    pass")
    assert kind == "NotStartedError" and "Not a directory" in message
    assert not (root.parent / "null").exists()


def test_words_for_people_move_no_terminal() -> None:
    assert Result(1, "", "a\x1b]0;x\x07\rb\n\tc \x9b1m ü").message == "a?]0;x??b\n\tc ?1m ü"
    assert len(Result(1, "x" * 100_000, "").message) < 21_000
    assert Result(3, " ", "\n").message == "exit status 3"


def test_status_and_trouble_are_told(root: Path) -> None:
    place = checker(str(root), IDS)
    done = apart(lambda: attempt_bounded(["sh", "-c", "cat; echo no >&2; exit 3"], place, "yes\n"), root)
    assert done == Result(3, "yes\n", "no\n")
    done = apart(lambda: attempt_bounded(["sh", "-c", "kill -9 $$"], place), root)
    assert done.status == 137
    done = apart(lambda: attempt_bounded(["no-such"], place), root)
    assert done == ("NotStartedError", f"it could not be started in {root}: there is no no-such")
    done = apart(lambda: attempt_bounded(["true"], checker(f"{root}/none", IDS)))
    assert done[0] == "NotStartedError" and "No such file" in done[1]


def test_a_tool_of_the_host_is_fed_and_reaches_no_file_of_the_host() -> None:
    rules = "table inet weft {\n set x { type ipv4_addr; }\n}\n"
    secret = "/etc/weft-planted.nft"
    Path(secret).write_text("create table inet planted\n")
    try:
        nft = ["nft", "--check", "--file", "/dev/stdin"]
        assert attempt_bounded(nft, tool(None), rules) == Result(0, "", "")
        refused = attempt_bounded(nft, tool(None), f'{rules}include "{secret}"\n')
        assert refused.status and f"File not found: {secret}" in refused.err
    finally:
        Path(secret).unlink()


def test_a_tool_may_configure_the_network_and_nothing_else() -> None:
    script = (
        "grep -E 'Cap(Bnd|Eff|Prm)|NoNew' /proc/self/status; ls /; touch /x /usr/x /proc/sys/kernel/hostname; "
        "mount -t tmpfs x /usr; ip link set lo up && echo up; tc qdisc show && echo tc"
    )
    done = attempt_bounded(["sh", "-c", script], tool(None))
    words = done.out.split()
    assert [word for word in words if len(word) == 16] == ["0000000000001000"] * 3
    assert {"up", "tc"} < set(words), done
    assert {"usr", "proc", "dev"} < set(words) and "etc" not in words
    assert done.err.count("Read-only file system") == 3 and "mount" in done.err


@pytest.fixture
def machine() -> Iterator[int]:
    """The first process of namespaces of its own, without one of the capabilities."""
    ready, told = os.pipe()
    outer = os.fork()
    if outer == 0:
        unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC)
        os.write(told, b"x")
        while Path("/proc/self/uid_map").read_text() == "":
            time.sleep(0.01)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        script = "mount -t proc proc /proc; hostname machine; exec setpriv --bounding-set=-mknod sleep 60"
        os._exit(subprocess.call(["setpriv", "--pdeathsig=KILL", "sh", "-c", script]))
    os.read(ready, 1)
    for name in ("gid_map", "uid_map"):
        Path(f"/proc/{outer}/{name}").write_text(f"0 {IDS} 65536")
    children, end = Path(f"/proc/{outer}/task/{outer}/children"), time.monotonic() + 10
    while not (leader := children.read_text().strip()) or "sleep" not in Path(f"/proc/{leader}/comm").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    yield int(leader)
    os.kill(outer, signal.SIGKILL)
    os.waitpid(outer, 0)
    os.close(ready)
    os.close(told)


def test_a_command_in_a_machine_is_one_of_its_own(machine: int) -> None:
    script = (
        "hostname; id -u; cat /proc/self/uid_map; grep -E 'CapBnd|NoNew' /proc/self/status; ls -l /proc/self/fd | wc -l"
    )
    bounding = Path(f"/proc/{machine}/status").read_text().split("CapBnd:\t")[1].split()[0]
    done = attempt_bounded(["sh", "-c", script], inside(machine))
    assert done.status == 0 and done.out.split() == [
        *("machine", "0", "0", str(IDS), "65536", "CapBnd:", bounding, "NoNewPrivs:", "1", "5"),
    ], done
    assert not int(bounding, 16) >> 27 & 1
    with pytest.raises(CommandError, match="longer than 1 s"):
        attempt_bounded(["sleep", "60"], inside(machine), timeout=1)


def in_cgroup(name: str, do: Callable[[Path], Any]) -> Any:
    """What a function says of a cgroup of version 2, as on a host that has no others."""

    def ask() -> Any:
        mount("none", "/sys/fs/cgroup", "cgroup2", 0)
        return do(Path("/sys/fs/cgroup", name))

    return apart(ask)


def test_a_command_counts_as_one_of_the_machines(machine: int) -> None:
    def ask(group: Path) -> Result:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(machine))
        return attempt_bounded(["grep", "^0:", "/proc/self/cgroup"], inside(machine))

    name = f"weft-test-{machine}"
    try:
        assert in_cgroup(name, ask) == Result(0, f"0::/{name}\n", "")
    finally:
        os.kill(machine, signal.SIGKILL)
        in_cgroup(name, lambda group: group.rmdir() if leaves(group) else None)


def leaves(group: Path) -> bool:
    """Wait until no process is in a cgroup any more."""
    end = time.monotonic() + 10
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    return True


def test_a_machine_that_has_ended_is_not_mistaken_for_the_host() -> None:
    with pytest.raises(NotStartedError, match="the machine has ended"):
        attempt_bounded(["true"], inside(os.getpid()))
