"""Mount the root of a VPC router, or take it away: python3 router-root.py mount|unmount MACHINE

Written by weft.vpc. The root is an overlay of the router's image. On disk all of it has one range of user ids. Each
router has it in a range of its own, by idmapped mounts, so that whoever gets out of one router is nobody in the others.
Where the kernel or the file system has no such mounts, a router has the range that is on disk, and shares it.
"""

import ctypes
import os
import sys

# asm-generic/unistd.h, linux/mount.h, linux/fcntl.h, linux/sched.h
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH, MOUNT_ATTR_IDMAP = 1, 4, 0x100000
AT_FDCWD, AT_EMPTY_PATH, MNT_DETACH = -100, 0x1000, 2
CLONE_NEWUSER, MS_PRIVATE = 0x10000000, 0x40000
COUNT = 65536

STATE, RUN, CONFIGURATION = "/var/lib/weft/routers", "/run/weft", "/etc/weft/routers"
libc = ctypes.CDLL(None, use_errno=True)


class Attributes(ctypes.Structure):
    """struct mount_attr"""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def settings(path: str) -> dict:
    with open(path, encoding="utf-8") as stream:
        return dict(line.rstrip("\n").split("=", 1) for line in stream if line.strip() and line[0] != "#")


def mount(machine: str) -> None:
    chosen = settings(f"{CONFIGURATION}/{machine}.conf")
    image, on_disk = chosen["IMAGE"], int(chosen["UID_BASE"])
    own = f"{CONFIGURATION}/{machine}.ids"
    base = int(settings(own)["UID_BASE"]) if os.path.exists(own) else on_disk
    state = f"{STATE}/{machine}"
    make_directories(state, on_disk)
    if os.path.ismount(f"{state}/root"):
        return
    if base != on_disk:
        try:
            choose(machine, base)
            mount_shifted(machine, image, state, on_disk, base)
            return
        except OSError as error:
            reason = error.strerror
            print(f"router-root: {machine} shares its user ids with other routers: {reason}", file=sys.stderr)
            choose(machine, on_disk, reason)
    else:
        choose(machine, on_disk)
    mount_overlay(machine, image, state, state)


def make_directories(state: str, owner: int) -> None:
    for name, mode in (("", 0o755), ("root", 0o755), ("upper", 0o755), ("work", 0o700)):
        os.makedirs(f"{state}/{name}", exist_ok=True)
        if name != "root":
            os.chmod(f"{state}/{name}", mode)
    os.chown(f"{state}/upper", owner, owner)


def choose(machine: str, base: int, shared: str = "") -> None:
    """Write down with which range the machine is to run; before its root is there, which nobody may have in another."""
    path = f"{RUN}/roots/{machine}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8") as stream:
        stream.write(f"UID_BASE={base}\n" + (f"SHARED={shared}\n" if shared else ""))
    os.rename(f"{path}.new", path)


def mount_shifted(machine: str, image: str, state: str, on_disk: int, base: int) -> None:
    """Overlay idmapped mounts. They are to have paths meanwhile (by which /proc/mounts goes on to name the image); the
    overlay keeps its own."""
    layers = f"{RUN}/layers/{machine}"
    drop_layers(layers)
    try:
        ids = namespace(on_disk, base)
        lower, upper = (f"{layers}/{name}" for name in (os.path.basename(image), "state"))
        for source, target in ((image, lower), (state, upper)):
            os.makedirs(target)
            attach(source, target, ids)
        os.close(ids)
        mount_overlay(machine, lower, upper, state)
    finally:
        drop_layers(layers)


def namespace(on_disk: int, base: int) -> int:
    """A user namespace with the map of a mount: root's own files (the overlay's) stay root's."""
    ready, is_ready = os.pipe()
    go, may_go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(may_go)
        status = libc.unshare(CLONE_NEWUSER)
        os.write(is_ready, b"x")
        os.read(go, 1)
        os._exit(status and 1)
    try:
        os.read(ready, 1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as stream:
                stream.write(f"0 0 1\n{on_disk} {base} {COUNT}\n")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(may_go)
        os.waitpid(child, 0)


def attach(source: str, target: str, ids: int) -> None:
    tree = checked(libc.syscall(OPEN_TREE, AT_FDCWD, source.encode(), OPEN_TREE_CLONE | os.O_CLOEXEC))
    # Private: the root, which is below the state, would be mounted here as well, and be unmounted with this.
    wanted = Attributes(MOUNT_ATTR_IDMAP, 0, MS_PRIVATE, ids)
    size = ctypes.sizeof(wanted)
    checked(libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(wanted), size))
    checked(libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), MOVE_MOUNT_F_EMPTY_PATH))
    os.close(tree)


def drop_layers(layers: str) -> None:
    """Take them away, those of a killed run as well."""
    if not os.path.isdir(layers):
        return
    for name in os.listdir(layers):
        if os.path.ismount(f"{layers}/{name}"):
            checked(libc.umount2(f"{layers}/{name}".encode(), MNT_DETACH))
        os.rmdir(f"{layers}/{name}")
    os.rmdir(layers)


def mount_overlay(machine: str, lower: str, layers: str, state: str) -> None:
    options = f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work"
    name, place = f"weft-{machine}".encode(), f"{state}/root".encode()
    checked(libc.mount(name, place, b"overlay", ctypes.c_ulong(0), options.encode()))


def unmount(machine: str) -> None:
    checked(libc.umount2(f"{STATE}/{machine}/root".encode(), 0))
    if os.path.exists(f"{RUN}/roots/{machine}"):
        os.unlink(f"{RUN}/roots/{machine}")


if __name__ == "__main__":
    {"mount": mount, "unmount": unmount}[sys.argv[1]](sys.argv[2])
