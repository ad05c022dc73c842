from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.wire.addresses import NEVER, PRIVATE, faces, host_problem, networks, refusal

EVERYWHERE = networks(["0.0.0.0/0", "::/0"])

PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::5", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]
NEVER_REACHED = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "::2",
    "fe80::1",
    "fe80::1%lo",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "fd12::5efe:169.254.169.254",
]
PRIVATE_ONES = [
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "240.0.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "100::1",
    "5f00::1",
    "2001:db8::1",
    "3fff::1",
    "2002:808:808::1",
    "64:ff9b:1::a00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2606:4700::5efe:10.0.0.1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address):
    assert refusal(address) == ""


@pytest.mark.parametrize("address", NEVER_REACHED)
def test_some_addresses_are_refused_whatever_is_allowed(address):
    assert "link-local" in refusal(address, EVERYWHERE)


@pytest.mark.parametrize("address", PRIVATE_ONES)
def test_private_addresses_are_refused_unless_listed(address):
    assert "allow_networks" in refusal(address)
    assert refusal(address, EVERYWHERE) == ""


def test_listing_a_network_allows_nothing_beside_it():
    allowed = networks(["10.1.0.0/16"])
    assert refusal("10.1.2.3", allowed) == ""
    assert refusal("10.2.2.3", allowed) != ""
    assert refusal("::ffff:10.1.2.3", allowed) == ""


def test_listing_a_carrier_does_not_list_what_it_carries():
    assert "127.0.0.1" in refusal("2002:7f00:1::1", networks(["2002::/16"]))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1", "64:ff9b::5db8:d70e", "10.2.2.3", "127.0.0.1"])
def test_without_tls_what_is_not_listed_is_refused_public_or_not(address):
    assert "allow_networks" in refusal(address, networks(["10.1.0.0/16"]), plain=True)
    assert "allow_networks" in refusal(address, plain=True)


def test_without_tls_what_is_listed_is_reached_public_or_not():
    allowed = networks(["93.184.215.0/24", "10.1.0.0/16"])
    assert [refusal(text, allowed, plain=True) for text in ("93.184.215.14", "10.1.2.3", "::ffff:10.1.2.3")] == [""] * 3
    assert "link-local" in refusal("169.254.169.254", EVERYWHERE, plain=True)


@settings(derandomize=True)
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_without_tls_nothing_is_reached_that_tls_would_not_reach(address):
    for allowed in ((), networks(["10.1.0.0/16", "64:ff9b::/96"]), EVERYWHERE):
        assert refusal(str(address), allowed, plain=True) or not refusal(str(address), allowed)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5"])
def test_what_is_no_address_is_refused(text):
    assert refusal(text, EVERYWHERE) == "not an address"


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0", "1.2.3.4.", "a.0x", "1.2.3.999"],
)
def test_numbers_that_a_c_library_would_read_as_addresses_are_refused(host):
    assert "four decimal numbers" in host_problem(host)


@pytest.mark.parametrize("host", ["hooks.example.org", "a1", "1a", "127.0.0.1", "::1", "fe80::1%eth0", "x.1e", "0xyz"])
def test_names_and_plain_addresses_are_spelt_right(host):
    assert host_problem(host) == ""


def test_no_host_is_a_problem():
    assert host_problem("") == "no host"


@settings(derandomize=True)
@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_ipv4_address_inside_ipv6_is_judged_at_least_as_strictly(inner):
    low = int(inner)
    carriers = [0xFFFF << 32 | low, 0x64FF9B << 96 | low, 0x2002 << 112 | low << 80 | 1, 0xFFFF << 48 | low]
    for number in carriers:
        assert inner in faces(IPv6Address(number))
        assert not refusal(str(inner)) or refusal(str(IPv6Address(number)))


@settings(derandomize=True)
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_agrees_with_the_standard_library_that_what_is_not_global_is_refused(address):
    if not address.is_global:
        assert refusal(str(address))


@pytest.mark.parametrize("network", [n for n in (*NEVER, *PRIVATE) if n.version == 4], ids=str)
def test_both_ends_of_each_network_are_refused(network):
    assert refusal(str(network[0]))
    assert refusal(str(network[-1]))


def test_an_address_has_its_own_face():
    assert faces(ip_address("10.0.0.1")) == (IPv4Address("10.0.0.1"),)
    assert faces(ip_address("::1")) == (IPv6Address("::1"),)
