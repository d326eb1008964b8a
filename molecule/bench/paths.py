"""Client, router, node and server in network namespaces: one path per kind of rules.

The client is the upstream of the public network. The router's subnet is a segment: a bridge of its node, and VXLAN to
the server, which stands for all instances and has all their addresses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import fabrics
from lab.paths import ROOT

TRAFFIC = Path(__file__).with_name("traffic.py")
PREFIX = f"weft-bench-{os.getpid()}"
#: Where tools/bench unpacks iptables if the computer has none.
UNPACKED = ROOT / ".cache" / "bench" / "iptables"
INSTANCES, SERVER = "172.16.64.0/18", "172.16.0.2"


def run(command: Sequence[str], text: str | None = None, **environment: str) -> str:
    """Run a command that must succeed; returns its stdout."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


class Way:
    """Network namespaces in a row, from a client to a server."""

    def __init__(self, name: str, *between: str) -> None:
        self.name = name
        self.namespaces = [f"{PREFIX}-{name}-{one}" for one in ("client", *between, "server")]
        self.client, self.server = self.namespaces[0], self.namespaces[-1]
        self._serving: subprocess.Popen[str] | None = None

    def exec(self, namespace: str, *command: str, text: str | None = None, **environment: str) -> str:
        """Run a command in one of the namespaces."""
        return run(["ip", "netns", "exec", namespace, *command], text, **environment)

    def add_namespaces(self) -> None:
        """Make the namespaces."""
        for namespace in self.namespaces:
            run(["ip", "netns", "add", namespace])
            run(["ip", "-n", namespace, "link", "set", "lo", "up"])

    def link(self, one: str, device: str, other: str, peer: str) -> None:
        """Join two namespaces."""
        run(["ip", "-n", one, "link", "add", device, "type", "veth", "peer", peer, "netns", other])
        run(["ip", "-n", one, "link", "set", device, "up"])
        run(["ip", "-n", other, "link", "set", peer, "up"])

    def batch(self, commands: Mapping[str, Sequence[str]]) -> None:
        """Carry out commands of ip(8) by namespace."""
        for namespace, lines in commands.items():
            run(["ip", "-n", namespace, "-batch", "-"], "\n".join(lines))

    def serve(self) -> None:
        """Start the server."""
        command = ["ip", "netns", "exec", self.server, sys.executable, str(TRAFFIC), "serve"]
        self._serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._serving.stdout
        self._serving.stdout.readline()

    def measure(self, what: str, wanted: str) -> tuple[float, float]:
        """Let the client do `connect`, `stream` or `flood`: its rates per second, and per second of its CPU time."""
        rate, per_cpu = self.exec(self.client, sys.executable, str(TRAFFIC), what, text=wanted).split()
        return float(rate), float(per_cpu)

    def remove(self) -> None:
        """End the server and take the namespaces away."""
        if self._serving is not None:
            self._serving.kill()
            self._serving.wait()
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


class Route(Way):
    """A path through a router; `public` and `inside` are the router's interfaces."""

    def __init__(self, name: str, public: str, inside: str) -> None:
        super().__init__(name, "router", "node")
        self.public, self.inside = public, inside
        _client, self.router, self.node, _server = self.namespaces

    def make(self, sysctls: str) -> None:
        """Make namespaces, links and routes; the router gets these settings."""
        self.add_namespaces()
        settings = [line.replace(" ", "") for line in sysctls.splitlines() if line and not line.startswith("#")]
        # What was aborted is forgotten at once, or the table would be full before the bench is done.
        settings.append("net.netfilter.nf_conntrack_tcp_timeout_close=1")
        self.exec(self.router, "sysctl", "-qw", *settings)
        self.link(self.router, self.public, self.client, "eth0")
        self.link(self.router, self.inside, self.node, "port")
        self.link(self.node, "underlay", self.server, "underlay")
        self._segment()
        self._routes()

    def _segment(self) -> None:
        """A bridge and a tunnel on the node; the server has the tunnel's other end for its interface."""
        tunnel = "link add {} mtu 1450 type vxlan id 100 dstport 4789 dev underlay local {} remote {}"
        commands = {
            self.node: [
                "address add 192.0.2.1/24 dev underlay",
                tunnel.format("vxlan", "192.0.2.1", "192.0.2.2"),
                "link add segment type bridge",
                "link set vxlan master segment up",
                "link set port mtu 1450 master segment",
                "link set segment mtu 1450 up",
            ],
            self.server: [
                "address add 192.0.2.2/24 dev underlay",
                tunnel.format("eth0", "192.0.2.2", "192.0.2.1"),
                "link set eth0 up",
            ],
            self.router: [f"link set {self.inside} mtu 1450"],
        }
        self.batch(commands)

    def _routes(self) -> None:
        """All instances are behind one neighbour, so that the size of the neighbour table is not what is measured."""
        commands = {
            self.router: [
                f"address add {fabrics.ROUTER}/32 dev {self.public}",
                f"route add {fabrics.GATEWAY} dev {self.public}",
                f"route add default via {fabrics.GATEWAY}",
                f"address add {fabrics.INSIDE}/24 dev {self.inside}",
                f"route add {INSTANCES} via {SERVER}",
            ],
            self.client: [
                f"address add {fabrics.GATEWAY}/32 dev eth0",
                f"route add {fabrics.ROUTER} dev eth0",
                f"route add default via {fabrics.ROUTER}",
            ],
            self.server: [
                f"address add {SERVER}/24 dev eth0",
                f"route add local {INSTANCES} dev lo",
                f"route add default via {fabrics.INSIDE}",
            ],
        }
        self.batch(commands)


def plain() -> Route:
    """A path whose router forwards with connection tracking and translates nothing."""
    path = Route("plain", "pub", "lan")
    path.make("net.ipv4.ip_forward=1")
    rules = "type filter hook forward priority filter; ct state established,related accept;"
    path.exec(path.router, "nft", "-f", "-", text=f"table inet plain {{ chain forward {{ {rules} }}; }}")
    path.serve()
    return path


def ours(count: int) -> Route:
    """A path whose router has the files that `site` gives a router of this size."""
    router = fabrics.router(count)
    path = Route(f"ours-{count}", router.public, router.inside)
    path.make(router.files["/etc/sysctl.d/50-weft.conf"])
    path.exec(path.router, "nft", "-f", "-", text=ruleset(router.files))
    for name, content in router.files.items():
        if name.startswith("/etc/weft/addresses.d/"):
            run(["ip", "-n", path.router, "-batch", "-"], content)
    path.serve()
    return path


def ruleset(files: Mapping[str, str]) -> str:
    """The files of rules as a boot loads them: structure first."""
    names = [name for name in sorted(files) if name.startswith("/etc/weft/nftables.d/")]
    names.sort(key=lambda name: name.endswith(".elements"))
    return "".join(files[name] for name in names)


def linear(count: int) -> Route:
    """A path whose router has a rule per elastic IP and forward in each direction, as iptables routers do."""
    path = Route(f"linear-{count}", "pub", "lan")
    path.make("net.ipv4.ip_forward=1")
    path.exec(path.router, *_iptables(), text=linear_rules(count), XTABLES_LIBDIR=_plugins())
    path.serve()
    return path


def linear_rules(count: int) -> str:
    """Input for iptables-restore."""
    wanted = fabrics.translations(count)
    rules = ["*nat"]
    rules += [f"-A PREROUTING -d {one.elastic_ip}/32 -i pub -j DNAT --to-destination {one.target}" for one in wanted]
    rules += [f"-A POSTROUTING -s {one.target}/32 -o pub -j SNAT --to-source {one.elastic_ip}" for one in wanted]
    rules += [
        f"-A PREROUTING -d {fabrics.VIRTUAL_IP}/32 -i pub -p tcp -m tcp --dport {one.port} -j DNAT "
        f"--to-destination {one.target}:{fabrics.TARGET_PORT}"
        for one in wanted
    ]
    rules += [f"-A POSTROUTING -s {fabrics.SUBNET} -o pub -j SNAT --to-source {fabrics.ROUTER}", "COMMIT", "*filter"]
    rules += [
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "-A FORWARD -i lan -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
        "-A FORWARD -j DROP",
        "COMMIT",
    ]
    return "\n".join(rules) + "\n"


def _iptables() -> list[str]:
    program = shutil.which("xtables-nft-multi") or str(UNPACKED / "usr/sbin/xtables-nft-multi")
    return [program, "iptables-restore"]


def _plugins() -> str:
    folders: list[Any] = sorted(UNPACKED.glob("usr/lib/*/xtables")) or sorted(Path("/usr/lib").glob("*/xtables"))
    return str(folders[0]) if folders else ""


def sweep() -> None:
    """Take away what an interrupted bench had only half made."""
    for line in run(["ip", "netns", "list"]).splitlines():
        if line.startswith(PREFIX):
            run(["ip", "netns", "delete", line.split()[0]])
