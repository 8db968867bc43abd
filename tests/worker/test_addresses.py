"""Which addresses a webhook may be sent to."""

import asyncio
from ipaddress import ip_network

import pytest
from cellblock_worker.sender.addresses import NoAddress, is_allowed, resolve

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "0.1.2.3"]
PRIVATE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fd00:ec2::254", "fec0::1"]
LINK_LOCAL = ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%lo"]
SHARED = ["100.64.0.1", "100.100.100.200", "100.127.255.255"]
CLOUDS = ["168.63.129.16", "192.0.0.192"]
MULTICAST = ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"]
RESERVED = ["240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"]
RESERVED_6 = ["2001:db8::1", "100::1", "5f00::1"]
MAPPED = ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::127.0.0.1"]
TRANSLATED = ["64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::", "192.88.99.1"]
TUNNEL = ["2001:0:4136:e378:8000:63bf:3fff:fdd2"]
FORBIDDEN = [
    *(LOOPBACK + PRIVATE + LINK_LOCAL + SHARED + CLOUDS + MULTICAST),
    *(RESERVED + RESERVED_6 + MAPPED + TRANSLATED + TUNNEL),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, [])


@pytest.mark.parametrize("address", FORBIDDEN)
def test_others_are_not(address: str) -> None:
    assert not is_allowed(address, [])


def test_networks_allow_what_lies_in_them_and_nothing_else() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "1.1.1.1"):
        assert is_allowed(address, networks)
    for address in ("10.2.0.1", "127.0.0.1", "::1", "64:ff9b::a01:203"):
        assert not is_allowed(address, networks)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "::1", "localhost"])
def test_other_ways_to_write_loopback_lead_nowhere(host: str) -> None:
    with pytest.raises(NoAddress, match="not public"):
        asyncio.run(resolve(host, 80, []))


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b", "x" * 64 + ".example"])
def test_names_that_do_not_resolve(host: str) -> None:
    with pytest.raises(NoAddress, match="does not resolve"):
        asyncio.run(resolve(host, 80, []))
