# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each host is told: the typed parts of a plan.

Every part that a user can name carries ``key`` (what it is, stable between runs) and ``source`` (the inventory path
it came from). Addresses are strings in their canonical form, MTUs bytes, memory bytes, CPUs whole-core fractions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.weft.vpc.plugins.module_utils.groups import CUT_MARK


@dataclass(frozen=True)
class TrafficClass:
    """An HTB class. ``minor`` and ``parent`` are hexadecimal, the parent "" at the root; rates are bits per second, the
    burst bytes. Only a leaf queues packets."""

    minor: str
    parent: str
    rate: int
    ceil: int
    burst: int
    leaf: bool


@dataclass(frozen=True)
class BandwidthLimit:
    """Which class the packets of a public address are in, or those of some ports of it; None is no limit."""

    key: str
    source: str
    address: str
    protocol: str | None
    first: int
    last: int
    ingress: str | None
    egress: str | None


@dataclass(frozen=True)
class ShapedLink:
    """A router's public link with limits: its node's end sends what comes in, its inner end what goes out."""

    device: str
    inner: str
    ingress: tuple[TrafficClass, ...]
    egress: tuple[TrafficClass, ...]
    limits: tuple[BandwidthLimit, ...]


@dataclass(frozen=True)
class ProviderBridge:
    """A provider network on one host: its bridge, and the NIC (or VLAN of it) that is the bridge's way out."""

    key: str
    source: str
    bridge: str
    interface: str
    member: str
    vlan: int | None
    mtu: int


@dataclass(frozen=True)
class Nic:
    """A physical NIC of one host that provider networks use: bridged itself (flat) and/or parent of VLANs."""

    interface: str
    bridge: str | None
    vlans: tuple[str, ...]
    mtu: int


@dataclass(frozen=True)
class Station:
    """An address that cannot move without a new plan: its MAC, IP, and the VTEP it is behind."""

    mac: str
    ip: str
    vtep: str


@dataclass(frozen=True)
class Segment:
    """A VXLAN segment as one host has it. ``far_macs`` are all that its other hosts have; None if NICs may have any."""

    key: str
    source: str
    vni: int
    bridge: str
    vxlan: str
    udp_port: int
    vtep: str
    mtu: int
    flood: tuple[str, ...]
    stations: tuple[Station, ...]
    far_macs: tuple[str, ...] | None


@dataclass(frozen=True)
class PortLimit:
    """The way out of a port whose egress is limited: a bridge of its own, and a veth link from there to its network's.

    All that the NIC sends is sent by the link's ``inner`` end, and shaped there.
    """

    bridge: str
    inner: str
    outer: str
    classes: tuple[TrafficClass, ...]


@dataclass(frozen=True)
class VxlanPeer:
    """Whose tunnels of one UDP port a host lets in: the peer's VTEP, and its own that they come to."""

    vtep: str
    address: str
    udp_port: int


@dataclass(frozen=True)
class Port:
    """An instance's NIC on its hypervisor: the device name and guest MAC whoever starts the guest must use.

    DHCP gives the guest ``ip``; the secondary ones are its own to set up. With ``port_security`` it sends from
    ``sends_from`` (addresses and prefixes) and nothing else.
    """

    key: str
    source: str
    device: str
    mac: str
    bridge: str
    mtu: int
    instance: str
    tenant: str
    index: int
    ip: str
    secondary_ips: tuple[str, ...]
    port_security: bool
    sends_from: tuple[str, ...]
    default: bool
    classes: tuple[TrafficClass, ...] = ()
    egress: PortLimit | None = None


@dataclass(frozen=True)
class GroupRule:
    """A rule of a security group as the inventory has it, for who asks why.

    ``peers`` is the set of addresses that is meant instead of ``cidrs``; neither is everybody.
    """

    key: str
    source: str
    direction: str
    protocol: str
    ports: tuple[int, int] | None
    icmp_type: int | None
    icmp_code: int | None
    cidrs: tuple[str, ...]
    peers: str | None


@dataclass(frozen=True)
class Admitted:
    """What the rules of one direction admit of those who are in the set ``peers``, or of everybody by prefix (None).

    ``ports`` are [protocol, first, last, prefix], ``protocols`` [first, last, prefix] by number, ``icmp`` [type, first
    code, last code, prefix]: no two of a list overlap.
    """

    name: str
    peers: str | None
    ports: tuple[tuple[str, int, int, str], ...]
    protocols: tuple[tuple[int, int, str], ...]
    icmp: tuple[tuple[int, int, int, str], ...]


@dataclass(frozen=True)
class SecurityGroup:
    """A security group as the NICs of one VPC (or provider network) have it."""

    key: str
    source: str
    name: str
    ingress: tuple[Admitted, ...]
    egress: tuple[Admitted, ...]
    rules: tuple[GroupRule, ...]


@dataclass(frozen=True)
class AddressSet:
    """Addresses that rules name at once: an address group, or the members of a security group in one VPC."""

    key: str
    source: str
    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class GroupChain:
    """What several groups together admit in one direction; NICs in the same groups share it."""

    name: str
    direction: str
    groups: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class GroupedPort:
    """A port whose NIC is in security groups, with its chains (None: it may send everything).

    Its frames meet the network's ``bridge`` by one of the ``devices``: by the second while what it sends is limited.
    Whatever its groups say, ``router`` answers it, and sends it what load balancers do: checks and connections of
    their own (``served``: address, protocol, port; ``pinged``: address), and from ``router_mac`` what comes from others
    (``balanced``: address, port of udp).
    """

    key: str
    source: str
    bridge: str
    devices: tuple[str, str]
    named: tuple[str, ...]
    zone: int
    addresses: tuple[str, ...]
    groups: tuple[str, ...]
    ingress: str
    egress: str | None
    router: str | None
    router_mac: str | None
    served: tuple[tuple[str, str, int], ...]
    balanced: tuple[tuple[str, int], ...]
    pinged: tuple[str, ...]


@dataclass(frozen=True)
class ConnectionZone:
    """Where a host tracks the connections of one bridge: tenants' addresses overlap."""

    bridge: str
    zone: int


@dataclass(frozen=True)
class BridgeRouter:
    """A router's address on a bridge."""

    bridge: str
    address: str


@dataclass(frozen=True)
class Grouped:
    """The security groups of a host's NICs.

    ``connections`` is how many each port of the zones' bridges may open, and be sent, at a time; ``tracked`` how many
    the host must be able to track for that.
    """

    zones: tuple[ConnectionZone, ...]
    routers: tuple[BridgeRouter, ...]
    sets: tuple[AddressSet, ...]
    groups: tuple[SecurityGroup, ...]
    chains: tuple[GroupChain, ...]
    ports: tuple[GroupedPort, ...]
    connections: int
    tracked: int
    cut_mark: int = CUT_MARK


@dataclass(frozen=True)
class Image:
    """A router image a node must hold; the version is the digest of its recipe."""

    key: str
    source: str
    name: str
    suite: str
    version: str
    directory: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """A router's link: a veth whose node end is a bridge port and whose inner end the router configures.

    ``exit`` numbers the public links: 1 is the one everything leaves by that says no other; 0 is no public link.
    ``cidr`` is that of a public link's network.
    """

    key: str
    source: str
    device: str
    inner: str
    kind: str
    mac: str
    bridge: str
    mtu: int
    network: str
    address: str
    prefix_length: int
    gateway: str | None
    exit: int = 0
    cidr: str = ""


@dataclass(frozen=True)
class Lease:
    """What DHCP and DNS know of one NIC."""

    mac: str
    ip: str
    name: str
    default: bool


@dataclass(frozen=True)
class DhcpOption:
    """An option that guests get. ``form`` says what the value is: words with commas between them (addresses, names), a
    text, or bytes in hexadecimal."""

    code: int
    form: str
    value: str


@dataclass(frozen=True)
class Subnet:
    """A subnet as its router serves it by DHCP and DNS. With ``shares_dhcp`` its segment has another such one."""

    key: str
    source: str
    name: str
    interface: str
    cidr: str
    network_address: str
    netmask: str
    gateway: str
    domain: str
    mtu: int
    dhcp: bool
    shares_dhcp: bool
    dns_servers: tuple[str, ...]
    ntp_servers: tuple[str, ...]
    options: tuple[DhcpOption, ...]
    leases: tuple[Lease, ...]


@dataclass(frozen=True)
class SourceNat:
    """Traffic of one subnet, or of what a route leads to through it, leaves with this public address, by this link."""

    key: str
    source: str
    cidr: str
    address: str
    interface: str


@dataclass(frozen=True)
class NicSourceNat:
    """What a NIC sends from this address leaves with that public one, or as it is (None), by this link."""

    key: str
    source: str
    ip: str
    address: str | None
    interface: str
    exit: int


@dataclass(frozen=True)
class Exit:
    """The public link that a subnet leaves by, translated or not."""

    cidr: str
    exit: int


@dataclass(frozen=True)
class ElasticIp:
    """One public address translated 1:1 to one private address."""

    key: str
    source: str
    name: str
    address: str
    interface: str
    exit: int
    target: str
    outbound: bool


@dataclass(frozen=True)
class VirtualIp:
    """A public address that services of the VPC share."""

    key: str
    source: str
    name: str
    address: str
    interface: str


@dataclass(frozen=True)
class PortForward:
    """Ports ``first..last`` of a public address, sent to ``target_first..`` of an instance."""

    key: str
    source: str
    name: str
    address: str
    protocol: str
    first: int
    last: int
    target: str
    target_first: int
    allowed_cidrs: tuple[str, ...]


@dataclass(frozen=True)
class Backend:
    """A server behind a listener; weight 0 is one that is drained. ``cookie`` is what sticky clients send."""

    name: str
    address: str
    port: int
    weight: int
    cookie: str


@dataclass(frozen=True)
class HealthCheck:
    """How a backend is probed: seconds between and per probe, probes until it is up or down, and at which port if
    not its own.

    With a ``uri`` it is asked by HTTP, and ``status`` is a status or a range of them.
    """

    interval: int
    timeout: int
    rise: int
    fall: int
    port: int | None
    uri: str | None
    host: str | None
    status: str


@dataclass(frozen=True)
class DatagramCheck:
    """The same for a listener of udp: ``type`` is udp, tcp or icmp; ``send`` and ``expect`` are hexadecimal digits."""

    type: str
    interval: int
    timeout: int
    rise: int
    fall: int
    port: int | None
    send: str
    expect: str


@dataclass(frozen=True)
class Stickiness:
    """How clients stay with a backend, and for how many seconds."""

    type: str
    cookie: str
    expire: int


@dataclass(frozen=True)
class Balanced:
    """Backends that share traffic, under the name that HAProxy knows them by."""

    proxy: str
    algorithm: str
    backends: tuple[Backend, ...]
    health_check: HealthCheck
    stickiness: Stickiness | None
    proxy_protocol: str | None
    backend_connections: int | None


@dataclass(frozen=True)
class HttpRule:
    """Requests for a host (with a leading dot: all hosts in that domain) and below a path, and who answers them."""

    host: str | None
    path: str | None
    proxy: str


@dataclass(frozen=True)
class Timeouts:
    """Seconds."""

    connect: int
    client: int
    server: int


@dataclass(frozen=True)
class Listener:
    """One address and port of a load balancer, with its backends. ``transport`` is what the port is of."""

    key: str
    source: str
    name: str
    balancer: str
    address: str
    internal: bool
    transport: str
    protocol: str
    port: int
    certificates: tuple[str, ...]
    default: Balanced
    groups: tuple[Balanced, ...]
    rules: tuple[HttpRule, ...]
    allowed_cidrs: tuple[str, ...]
    denied_cidrs: tuple[str, ...]
    redirect_port: int | None
    max_connections: int | None
    timeouts: Timeouts


@dataclass(frozen=True)
class UdpListener:
    """One address and port of a load balancer for UDP, which nftables balances; ``slots`` are shared out by weight."""

    key: str
    source: str
    name: str
    balancer: str
    address: str
    internal: bool
    port: int
    algorithm: str
    slots: int
    backends: tuple[Backend, ...]
    health_check: DatagramCheck
    allowed_cidrs: tuple[str, ...]
    denied_cidrs: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, by name. The plan has its digest; the content is read when a host is told."""

    key: str
    source: str
    name: str
    digest: str


@dataclass(frozen=True)
class InternalAddress:
    """An address of an internal load balancer, on the router's link to its subnet."""

    interface: str
    address: str


@dataclass(frozen=True)
class Route:
    """A custom route; a black hole has no next hop. One for some senders only is in a table of its own."""

    key: str
    source: str
    senders: str | None
    table: int | None
    destination: str
    next_hop: str | None
    distance: int


@dataclass(frozen=True)
class BgpNeighbor:
    """A BGP session with the upstream: from which link and address, in which public network, and what may be learned.

    ``password`` is a token; what it stands for is read when a host is told. Times are seconds.
    """

    key: str
    source: str
    address: str
    asn: int
    interface: str
    local_address: str
    network: str
    password: str | None
    keepalive: int
    hold_time: int
    bfd: bool
    accept: tuple[str, ...]


@dataclass(frozen=True)
class Bgp:
    """BGP with the upstream."""

    asn: int
    router_id: str
    neighbors: tuple[BgpNeighbor, ...]


@dataclass(frozen=True)
class Ospf:
    """OSPF on one public link. ``password`` is a token, as a BGP neighbor's."""

    key: str
    source: str
    interface: str
    local_address: str
    network: str
    router_id: str
    area: str
    hello_interval: int
    dead_interval: int
    key_id: int
    password: str | None
    accept: tuple[str, ...]


@dataclass(frozen=True)
class Tunnel:
    """Networks of the VPC, and those of another site that they exchange packets with."""

    local_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]


@dataclass(frozen=True)
class IpsecCertificate:
    """A certificate and its key, by name, as strongSwan has them. The plan has their digests; the contents are read
    when a host is told."""

    key: str
    source: str
    name: str
    certificate_digest: str
    key_digest: str


@dataclass(frozen=True)
class IpsecConnection:
    """An IPsec connection from a public address. ``label`` is another one whenever anything of it is.

    ``peer`` is None where it may have any address. ``psk`` is a token; what that stands for is read when a host is
    told. Without it there is a ``certificate``, and ``peer_ca`` is who signs the peer's.
    ``segment`` is what a TCP segment has room for in the tunnels, in bytes; times are seconds.
    """

    key: str
    source: str
    label: str
    address: str
    interface: str
    segment: int
    peer: str | None
    local_id: str
    peer_id: str
    psk: str | None
    certificate: IpsecCertificate | None
    peer_ca: str | None
    passive: bool
    ike_version: int
    ike_proposals: tuple[str, ...]
    esp_proposals: tuple[str, ...]
    ike_lifetime: int
    esp_lifetime: int
    dpd_interval: int
    networks: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    tunnels: tuple[Tunnel, ...]


@dataclass(frozen=True)
class Peer:
    """Who may send the router packets of a protocol between routers. ``part`` is the key of what asks for it; 0 is no
    port."""

    part: str
    interface: str
    source: str
    destination: str
    protocol: str
    port: int


@dataclass(frozen=True)
class Egress:
    """What a network may send outside the VPC: the policy, and what is treated the other way.

    ``ports`` are [protocol, first, last, destination], ``protocols`` [first, last, destination] by number: no two of a
    list overlap.
    """

    key: str
    source: str
    interface: str
    cidr: str
    policy: str
    ports: tuple[tuple[str, int, int, str], ...]
    protocols: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class FilterRule:
    """One rule of a filter, counted by the counter of that name. None and no prefixes mean every one."""

    key: str
    source: str
    counter: str
    action: str
    protocol: str
    ports: tuple[int, int] | None
    icmp_type: int | None
    icmp_code: int | None
    sources: tuple[str, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True)
class Filter:
    """A chain of rules, of which the first that matches decides; ``end`` (allow or deny) is for everything else, which
    is counted by the counter that is called like the chain."""

    key: str
    source: str
    name: str
    end: str
    rules: tuple[FilterRule, ...]


@dataclass(frozen=True)
class NetworkAclUse:
    """The filters that a network has, by name."""

    key: str
    source: str
    interface: str
    cidr: str
    ingress: str
    egress: str


@dataclass(frozen=True)
class AddressFirewall:
    """The filter of connections to a public address, by the ports that callers use."""

    address: str
    filter: Filter


@dataclass(frozen=True)
class InterfaceFirewall:
    """The filter of connections of one direction (in, out, local) by an interface, whose network has that prefix."""

    direction: str
    interface: str
    cidr: str
    filter: Filter


@dataclass(frozen=True)
class RoutingRule:
    """Which table the router asks for some packets; `selector` is in the words of `ip rule`."""

    priority: int
    selector: str
    table: str


@dataclass(frozen=True)
class Served:
    """Whom the router serves on a subnet's interface: the subnet, and what is behind an instance in it."""

    interface: str
    cidr: str


@dataclass(frozen=True)
class Router:
    """A VPC's router and all it does. One that learns a default route keeps its gateway's for when that is gone."""

    key: str
    source: str
    name: str
    tenant: str
    vpc: str
    running: bool
    image: str
    uid_base: int
    cpus: float
    memory: int
    public_address: str
    public_interface: str
    links: tuple[Link, ...]
    subnets: tuple[Subnet, ...]
    served: tuple[Served, ...]
    dns_servers: tuple[str, ...]
    source_nats: tuple[SourceNat, ...]
    nic_source_nats: tuple[NicSourceNat, ...]
    exits: tuple[Exit, ...]
    virtual_ips: tuple[VirtualIp, ...]
    elastic_ips: tuple[ElasticIp, ...]
    port_forwards: tuple[PortForward, ...]
    listeners: tuple[Listener, ...]
    udp_listeners: tuple[UdpListener, ...]
    certificates: tuple[Certificate, ...]
    internal_addresses: tuple[InternalAddress, ...]
    routes: tuple[Route, ...]
    routing_rules: tuple[RoutingRule, ...]
    egress: tuple[Egress, ...]
    acl_filters: tuple[Filter, ...]
    network_acls: tuple[NetworkAclUse, ...]
    address_firewalls: tuple[AddressFirewall, ...]
    interface_firewalls: tuple[InterfaceFirewall, ...]
    bgp: Bgp | None
    ospf: Ospf | None
    ipsec: tuple[IpsecConnection, ...]
    ipsec_certificates: tuple[IpsecCertificate, ...]
    peers: tuple[Peer, ...]
    learns_default: bool
    shaped_links: tuple[ShapedLink, ...] = ()
    connections: int | None = None
    without_default_route: tuple[str, ...] = ()


@dataclass
class HostSlice:
    """All that one host is told. ``broadcasts`` a second is what each of its ports may send."""

    fabric: str
    host: str
    vteps: list[str] = field(default_factory=list)
    underlay_mtu: int = 0
    nics: list[Nic] = field(default_factory=list)
    provider_bridges: list[ProviderBridge] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    vxlan_peers: list[VxlanPeer] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    routers: list[Router] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    broadcasts: int = 0
    grouped: Grouped | None = None
