"""Which addresses a webhook may be sent to: public ones, and those that the operator names for its receiver.

A name is resolved once for each try, and the connection then goes to an address that was looked at here; so
a name that changes between a check and a connection leads nowhere.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What Python counts as global, or did in one of its versions, and a webhook has no business with: tunnels and
# translations into IPv4, site-local addresses, a cloud's own services at a public address.
_NEVER: Final = tuple(
    ip_network(text)
    for text in (
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fec0::/10",
        "100.64.0.0/10",
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
    )
)


class NoAddress(Exception):
    """A receiver's name does not resolve, or to no address that a webhook may be sent to."""


async def resolve(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """Return the addresses of a host that may be connected to, in the resolver's order. Raises NoAddress."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoAddress("its name does not resolve") from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    allowed = [address for address in addresses if is_allowed(address, networks)]
    if not allowed:
        raise NoAddress("its address is not public, and not in its networks in CELLBLOCK_WEBHOOKS")
    return allowed


def is_allowed(text: str, networks: Sequence[Network]) -> bool:
    """Whether an address is public or in one of `networks`. One that is mapped into IPv6 is what it maps."""
    address = _unmapped(ip_address(text))
    return _in_any(address, networks) or not (
        not address.is_global or address.is_multicast or address.is_reserved or _in_any(address, _NEVER)
    )


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _in_any(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
