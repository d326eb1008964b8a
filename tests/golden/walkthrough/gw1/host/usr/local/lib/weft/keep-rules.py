"""Loads this host's rules, and loads them again whenever somebody has deleted a table of ours. Written by weft.vpc."""

import errno
import glob
import os
import re
import socket
import struct
import subprocess

TABLES = "/etc/weft/nftables.nft"
ELEMENTS = "/etc/weft/nftables.d/*.elements"
# linux/netlink.h, linux/netfilter/nfnetlink.h and nf_tables.h
NETLINK_NETFILTER, GROUP_NFTABLES = 12, 7
TABLE_DELETED = 10 << 8 | 2
HEADER = struct.Struct("=IHHII")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def load():
    """All in one transaction."""
    text = "".join(read(path) for path in [TABLES, *sorted(glob.glob(ELEMENTS))])
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def missing():
    """The tables that the files make anew, and that are not there."""
    wanted = re.findall(r"^delete (table \S+ weft)$", read(TABLES), re.MULTILINE)
    listed = subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE, text=True, check=True)
    return sorted(set(wanted) - set(listed.stdout.splitlines()))


def tells_of_a_deleted_table(data):
    """Whether one of these messages does."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, *_rest = HEADER.unpack_from(data, at)
        if kind == TABLE_DELETED:
            return True
        at += (length + 3) & ~3
    return False


def receive(events, flags=0):
    """Whether the next messages tell of a deleted table, or were lost and may have told of one; None: there are none."""
    try:
        return tells_of_a_deleted_table(events.recv(1 << 16, flags))
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            return True
        raise


def await_a_deleted_table(events):
    deleted = False
    while not deleted:
        deleted = receive(events)
        # The kernel says that messages were lost, and not again until all that it has kept are read.
        while (told := receive(events, socket.MSG_DONTWAIT)) is not None:
            deleted |= told


def say_ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        notify.send(b"READY=1")


def main():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as events:
        # From here on nothing is missed.
        events.bind((0, 1 << (GROUP_NFTABLES - 1)))
        load()
        say_ready()
        while True:
            await_a_deleted_table(events)
            # Who replaces a table deletes it, too.
            gone = missing()
            if gone:
                print(f"Somebody deleted {' and '.join(gone)}: this host's rules are loaded again.", flush=True)
                load()


if __name__ == "__main__":
    main()
