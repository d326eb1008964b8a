# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Router images: what each router node builds once (row R2)."""

from __future__ import annotations

import hashlib
import json

from ansible_collections.weft.vpc.plugins.plugin_utils.model import RouterImage
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Image

#: frr-pythontools brings the Python that roles/lb's checker runs on.
PACKAGES = (
    "charon-systemd",
    "conntrack",
    "dbus",
    "dnsmasq-base",
    "frr",
    "frr-pythontools",
    "haproxy",
    "iproute2",
    "iputils-ping",
    "libstrongswan-standard-plugins",
    "nftables",
    "procps",
    "strongswan-swanctl",
    "systemd",
    "systemd-sysv",
    "tcpdump",
)
#: Raised whenever the build script changes what it puts into an image.
RECIPE = 2


def image(wanted: RouterImage) -> Image:
    """Return an image with its version, the digest of all that decides its content."""
    recipe = json.dumps([RECIPE, wanted.suite, PACKAGES])
    version = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    return Image(
        key=f"router image {wanted.name}",
        source=wanted.path,
        name=wanted.name,
        suite=wanted.suite,
        version=version,
        directory=names.image_directory(wanted.name, version),
        packages=PACKAGES,
    )


def plan(context: Context) -> None:
    """Give each router node the images its routers run on."""
    needed: dict[str, set[str]] = {}
    for vpc in context.intent.vpcs:
        offering = context.intent.offering(vpc.router.offering)
        if offering is not None:
            needed.setdefault(vpc.router.nodes[0], set()).add(offering.image)
    for host, images in needed.items():
        context.slice_of(host).images.extend(
            image(one) for one in sorted(context.intent.router_images, key=lambda i: i.name) if one.name in images
        )
