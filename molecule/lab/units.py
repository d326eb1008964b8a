"""The files a node is given at birth: its links, its names and, on wan, its services.

They play the part of "the user's own files" on a host: the collection must never touch them.
"""

from __future__ import annotations

from pathlib import Path

from lab.paths import Paths
from lab.topology import Link, Node, Topology

NETWORK = """\
# Written by the lab: the host's own configuration, not the collection's.
[Match]
Name={name}

[Link]
MTUBytes={mtu}
RequiredForOnline=no

[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
{addresses}"""

LINE_SERVER = """\
[Unit]
Description=Line server of the lab
After=network.target

[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/lab/line_server.py --name {node} --log /var/log/lab-lines.log {ports}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""

INSTANCE = """\
[Unit]
Description=Instance %i of the lab
After=network.target systemd-networkd.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/lab/instance.py run %i
ExecStopPost=/usr/bin/python3 /usr/local/lib/lab/instance.py clear %i
Restart=always
RestartSec=1
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""

DNSMASQ = """\
[Unit]
Description=DNS server of the lab's outside world
After=network.target

[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/etc/lab/dnsmasq.conf
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""

SSHD = """\
[Unit]
Description=SSH server of the lab, on the management address only
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=/usr/bin/mkdir -p /run/sshd
ExecStart=/usr/sbin/sshd -D -o ListenAddress={address} -o HostKey=/etc/ssh/ssh_host_ed25519_key
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""

# Nobody misses these in a node, and each of them costs one that is emulated a second of its boot.
QUIET = [
    "modprobe@.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount", "dev-hugepages.mount", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service", "systemd-journal-flush.service", "systemd-network-generator.service",
    "systemd-remount-fs.service", "systemd-logind.service",
]  # fmt: skip


def put(root: Path, name: str, text: str, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def service(root: Path, name: str, text: str, enable: bool = True) -> None:
    put(root, f"etc/systemd/system/{name}", text)
    if enable:
        wants = root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        link = wants / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"/etc/systemd/system/{name}")


def mask(root: Path, name: str) -> None:
    link = root / "etc/systemd/system" / name
    link.unlink(missing_ok=True)
    link.symlink_to("/dev/null")


def write(root: Path, paths: Paths, topology: Topology, node: Node) -> None:
    """Write all of a node's files into its tree."""
    for link in node.links:
        put(root, f"etc/systemd/network/10-lab-{link.name}.network", network(link, topology))
    for name in QUIET:
        mask(root, name)
    put(root, "etc/hostname", f"{node.name}\n")
    put(root, "etc/hosts", hosts(topology))
    if node.role == "hypervisor":
        service(root, "lab-instance@.service", INSTANCE, enable=False)
    if node.role == "wan":
        _wan(root, topology, node)
    _ssh(root, paths, node)


def share_bootstraps(root: Path, shared: bool) -> None:
    """Let a router node take over what another has bootstrapped for the same image, or always do it by itself."""
    name = "usr/local/bin/mmdebstrap"
    (root / name).unlink(missing_ok=True)
    if shared:
        put(root, name, '#!/bin/sh\nexec /usr/bin/python3 /usr/local/lib/lab/bootstrap.py "$@"\n', 0o755)


def network(link: Link, topology: Topology) -> str:
    addresses = "".join(f"Address={address}\n" for address in link.addresses)
    if link.name == "lo":
        return f"# Written by the lab.\n[Match]\nName=lo\n\n[Network]\n{addresses}"
    return NETWORK.format(name=link.name, mtu=topology.networks[link.network], addresses=addresses)


def hosts(topology: Topology) -> str:
    lines = ["127.0.0.1 localhost"]
    lines += [f"{node.address('mgmt')} {node.name}" for node in topology.nodes.values() if node.address("mgmt")]
    return "\n".join(lines) + "\n"


def _wan(root: Path, topology: Topology, node: Node) -> None:
    put(root, "etc/sysctl.d/10-lab.conf", "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 0\n")
    service(root, "lab-line.service", LINE_SERVER.format(node=node.name, ports="8080"))
    lines = ["no-resolv", "no-hosts", "bind-dynamic", "listen-address=223.5.5.5", "user=root", "local-ttl=5"]
    lines.append("log-queries")
    lines += [f"host-record={name},{address}" for name, address in topology.dns.items()]
    put(root, "etc/lab/dnsmasq.conf", "\n".join(lines) + "\n")
    service(root, "lab-dns.service", DNSMASQ)


def _ssh(root: Path, paths: Paths, node: Node) -> None:
    """The lab's own key opens root's account, on the management network alone."""
    if not paths.ssh_key.exists() or not node.address("mgmt"):
        return
    put(root, "root/.ssh/authorized_keys", paths.ssh_key.with_suffix(".pub").read_text(), 0o600)
    (root / "root/.ssh").chmod(0o700)
    # One host key for all nodes of a lab: a known_hosts line of the lab holds over rebuilds.
    host_key = paths.state / "ssh" / "host_ed25519"
    put(root, "etc/ssh/ssh_host_ed25519_key", host_key.read_text(), 0o600)
    put(root, "etc/ssh/ssh_host_ed25519_key.pub", host_key.with_suffix(".pub").read_text())
    service(root, "lab-ssh.service", SSHD.format(address=node.address("mgmt")))
