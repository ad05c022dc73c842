"""Which addresses a webhook may reach: the whole policy, without any IO.

An address is public, private or never. *Never* (link-local, cloud metadata, multicast, unspecified) is refused whatever
the settings say; *private* (loopback included) is reached only where the receiver's `allow_networks` lists it. An IPv6
address that carries an IPv4 one (mapped, 6to4, NAT64, Teredo, ISATAP) must pass with every face it has: a gateway would
take it to the inner one.

The tables are ours because `ipaddress.is_global` has changed its mind between Python patch releases (CVE-2024-4032).
Without TLS anybody on the way could read a notice and answer for the receiver, so a *plain* connection goes only where
`allow_networks` lists it, public or not.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 4291, 6052, 7526; the clouds' metadata documents.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse `10.0.0.0/8`, `::1`; ValueError where host bits are set or the text is no network."""
    return tuple(ip_network(text) for text in texts)


NEVER = networks(
    (
        "0.0.0.0/8",  # unspecified; Linux connects it to loopback
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure WireServer, a public address
        "169.254.0.0/16",  # link-local: AWS, GCP, Azure, OpenStack metadata
        "192.0.0.192/32",  # Oracle Cloud metadata, old
        "224.0.0.0/4",  # multicast
        "255.255.255.255/32",
        "::/128",
        "fd00:ec2::/32",  # AWS metadata, DNS and time
        "fd20:ce::254/128",  # GCP metadata
        "fe80::/10",
        "ff00::/8",
    )
)

PRIVATE = networks(
    (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "2001::/23",  # IETF protocol assignments, Teredo included
        "2001:db8::/32",
        "2002::/16",  # 6to4, deprecated
        "3fff::/20",
    )
)

PUBLIC_6 = networks(("2000::/3", "64:ff9b::/96"))  # all that is global unicast, and NAT64's well-known prefix

_MAPPED = IPv6Network("::ffff:0:0/96")
_LOW_32 = networks(("::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))  # compatible, translated, NAT64
_ISATAP = 0x5EFE


def faces(address: Address) -> tuple[Address, ...]:
    """Return the address and the IPv4 ones inside it; an IPv4-mapped one is nothing but its IPv4 address."""
    if isinstance(address, IPv4Address):
        return (address,)
    number, low = int(address), IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _MAPPED:
        return (low,)
    inner: list[Address] = []
    if any(address in network for network in _LOW_32) and number > 1:  # :: and ::1 speak for themselves
        inner.append(low)
    if (number >> 32) & 0xFFFF == _ISATAP:
        inner.append(low)
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    return (IPv6Address(number), *inner)


def refusal(text: str, allowed: Sequence[Network] = (), *, plain: bool = False) -> str:
    """Return why this address literal may not be connected to, or "" if it may. `plain`: without TLS.

    >>> refusal("93.184.215.14"), refusal("::ffff:169.254.169.254", networks(["0.0.0.0/0"]))
    ('', '169.254.169.254 is link-local, metadata, multicast or unspecified')
    >>> refusal("93.184.215.14", plain=True)
    '93.184.215.14 is not in allow_networks, and plain http goes nowhere else'
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "not an address"
    return next(filter(None, (_refusal(face, allowed, plain=plain) for face in faces(address))), "")


def _refusal(face: Address, allowed: Sequence[Network], *, plain: bool) -> str:
    if any(face in network for network in NEVER):
        return f"{face} is link-local, metadata, multicast or unspecified"
    if any(face in network for network in allowed):
        return ""
    if plain:
        return f"{face} is not in allow_networks, and plain http goes nowhere else"
    public = not any(face in network for network in PRIVATE)
    if isinstance(face, IPv6Address):
        public = public and any(face in network for network in PUBLIC_6)
    return "" if public else f"{face} is private and not in allow_networks"


_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?$")


def host_problem(host: str) -> str:
    """Return what is wrong with the spelling of a host, or "".

    A host whose last label is a number is an address to the C library, which reads octal, hexadecimal and short forms
    as well (`0x7f.1`); only the dotted-decimal form is accepted (WHATWG URL, "ends in a number").
    """
    if not host:
        return "no host"
    if ":" in host or not _NUMBER.match(host.rpartition(".")[2] or host.rstrip(".").rpartition(".")[2]):
        return ""
    try:
        IPv4Address(host)
    except AddressValueError:
        return "an IPv4 address is written as four decimal numbers"
    return ""
