# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model: typed, frozen objects, one for each thing a user can name. `parse` makes them of inventory variables."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.model.dynamic_routing import Bgp, BgpNeighbor, Ospf
from ansible_collections.weft.vpc.plugins.plugin_utils.model.elastic_ip import ElasticIp
from ansible_collections.weft.vpc.plugins.plugin_utils.model.fabric import Fabric, Quotas, Tenant
from ansible_collections.weft.vpc.plugins.plugin_utils.model.firewall import (
    AddressRule,
    InterfaceFirewall,
    InterfaceRule,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.hosts import HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.model.instance import Instance, Nic, SecondaryIp
from ansible_collections.weft.vpc.plugins.plugin_utils.model.intent import Intent, NicRef, VpcNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.model.ipsec import IpsecConnection
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import HealthCheck, Listener, LoadBalancer
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network import Network
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network_acl import AclRule, NetworkAcl
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.parse import INTENT_VARIABLES, SETTINGS, parse
from ansible_collections.weft.vpc.plugins.plugin_utils.model.port_forward import PortForward
from ansible_collections.weft.vpc.plugins.plugin_utils.model.provider_network import (
    IpRange,
    ProviderNetwork,
    ProviderRange,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.qos import Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.model.route import Route
from ansible_collections.weft.vpc.plugins.plugin_utils.model.router import (
    PublicNetwork,
    Router,
    RouterImage,
    RouterOffering,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.security_group import (
    AddressGroup,
    SecurityGroup,
    SecurityGroupRule,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.shape_rules import SHAPE_RULES
from ansible_collections.weft.vpc.plugins.plugin_utils.model.snat import Snat
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import OrderedRule, Service, Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import PortRange
from ansible_collections.weft.vpc.plugins.plugin_utils.model.virtual_ip import VirtualIp
from ansible_collections.weft.vpc.plugins.plugin_utils.model.vpc import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.vxlan_pool import PoolCluster, VniRange, VxlanPool

__all__ = [
    "INTENT_VARIABLES",
    "SETTINGS",
    "SHAPE_RULES",
    "AclRule",
    "AddressGroup",
    "AddressRule",
    "Bgp",
    "BgpNeighbor",
    "ElasticIp",
    "Fabric",
    "HealthCheck",
    "HostFacts",
    "Hosts",
    "Instance",
    "Intent",
    "InterfaceFirewall",
    "InterfaceRule",
    "IpRange",
    "IpsecConnection",
    "Listener",
    "LoadBalancer",
    "Network",
    "NetworkAcl",
    "Nic",
    "NicRef",
    "Node",
    "OrderedRule",
    "Ospf",
    "PoolCluster",
    "PortForward",
    "PortRange",
    "ProviderNetwork",
    "ProviderRange",
    "PublicNetwork",
    "Qos",
    "Quotas",
    "Route",
    "Router",
    "RouterImage",
    "RouterOffering",
    "SecondaryIp",
    "SecurityGroup",
    "SecurityGroupRule",
    "Service",
    "Snat",
    "Tenant",
    "Traffic",
    "VirtualIp",
    "VniRange",
    "Vpc",
    "VpcNetwork",
    "VxlanPool",
    "parse",
]
