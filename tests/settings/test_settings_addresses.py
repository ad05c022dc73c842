from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings.addresses import (
    external_problem,
    host_name_problem,
    is_loopback,
    listener_problem,
    network_problem,
    server_problem,
    webhook_problem,
)

LISTED = (ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8"))


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/tocsin?team=a",
        "https://hooks.example.org:8443",
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://10.1.2.3/",
        "http://10.1.2.3:9093/api",
        "http://localhost:9093/",
        "http://alerts.svc.example.org/",
    ],
)
def test_takes_webhooks_that_can_be_delivered(url: str) -> None:
    assert not webhook_problem(url, LISTED)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "//hooks.example.org/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "unix:///run/x",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org/#x",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org:port/",
        "https://[fe80::1%25eth0]/",
        "https://[::zz]/",
        "https://hooks example.org/",
        "https://hooks.example.org\\@10.1.2.3/",
        "https://höoks.example.org/",
        "https://hooks.example.org/\r\nHost: x",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://100.100.100.200/",
        "https://0.0.0.0/",
        "https://192.168.1.1/",
        "https://[::1]/",
        "https://" + "a" * 3000,
    ],
)
def test_refuses_webhooks_that_cannot(url: str) -> None:
    assert webhook_problem(url, LISTED)


@pytest.mark.parametrize("url", ["http://93.184.215.14/", "http://10.2.0.1/"])
def test_plain_http_goes_to_no_address_that_is_not_listed(url: str) -> None:
    assert webhook_problem(url, LISTED)


@pytest.mark.parametrize("url", ["http://10.1.2.3/", "http://[::ffff:10.1.2.3]/", "http://hooks.example.org/"])
def test_plain_http_goes_to_what_is_listed_and_to_names_that_are_judged_again_later(url: str) -> None:
    assert not webhook_problem(url, LISTED)


@pytest.mark.parametrize("url", ["http://hooks.example.org/", "http://localhost/", "HTTP://hooks.example.org/"])
def test_plain_http_goes_nowhere_without_a_list(url: str) -> None:
    assert "use https" in webhook_problem(url, ())


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://model.svc/", "https://10.9.8.7/", "http://[::1]:80/"])
def test_a_model_server_may_be_anywhere_private(url: str) -> None:
    assert not server_problem(url)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://user@127.0.0.1/", "grpc://127.0.0.1", "127.0.0.1:8080"]
)
def test_a_model_server_is_not_everything(url: str) -> None:
    assert server_problem(url)


def test_the_external_url_may_be_empty() -> None:
    assert not external_problem("")
    assert not external_problem("https://tocsin.example.org/prefix")
    assert external_problem("tocsin.example.org")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_intake_listens_on_loopback(host: str) -> None:
    assert is_loopback(host)
    assert not listener_problem(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.0.0.1.example.org", ""])
def test_intake_listens_nowhere_else(host: str) -> None:
    assert "loopback" in listener_problem(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "a"])
def test_metrics_may_listen_wider(host: str) -> None:
    assert not host_name_problem(host)


@pytest.mark.parametrize("host", ["", "a b", "1", "0x7f.1", "10.0.0", "fe80::1%eth0", "[::1]", "a/b", "a:80", "-a"])
def test_nothing_listens_on_what_is_no_host(host: str) -> None:
    assert host_name_problem(host)


@pytest.mark.parametrize("network", ["10.1.0.0/16", "127.0.0.1/32", "127.0.0.1", "fd12::/16", "::1/128"])
def test_takes_networks(network: str) -> None:
    assert not network_problem(network)


@pytest.mark.parametrize(
    "network",
    ["", "10.1.0.1/16", "10.0.0.0/33", "a", "0.0.0.0/0", "::/0", "169.254.0.0/16", "169.254.169.254", "fe80::/64"],
)
def test_refuses_networks_that_are_none_or_never_reached(network: str) -> None:
    assert network_problem(network)


@given(
    st.text(max_size=80) | st.text(st.sampled_from("htps:/@[]#?.0123456789abx%\\ "), max_size=40).map("http://".__add__)
)
def test_judges_any_text_without_raising(text: str) -> None:
    assert isinstance(webhook_problem(text, LISTED), str)
    assert isinstance(host_name_problem(text), str)
    assert isinstance(network_problem(text), str)
    assert not is_loopback(text) or not host_name_problem(text)
