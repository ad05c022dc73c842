r"""What a URL, a host or a network in the settings may look like, judged by its text alone.

Which addresses a webhook may reach is `monitor.wire.addresses`; it judges again when a connection is made, because
only then is the answer of a name the one that is used. Added here: URLs that two parsers could read differently
(`http://127.0.0.1\@example.org/`), and that plain http goes nowhere but to networks the receiver lists.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

import httpx

from monitor.wire.addresses import NEVER, Network, host_problem, refusal

URL_LENGTH_MAX = 2048

# A model server is the operator's own, mostly on loopback: of the addresses only those of NEVER are refused.
_OWN = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_URL = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


def matching(pattern: str, words: str) -> Callable[[str], str]:
    """Make a judge: why a text does not match `pattern`, which `words` describe, or ""."""
    return lambda text: "" if re.fullmatch(pattern, text) else f"must be {words}"


def server_problem(url: str) -> str:
    """Why `url` cannot be that of a model server, or ""."""
    return _url_problem(url, _OWN)


def external_problem(url: str) -> str:
    """Why people cannot be pointed to `url`, or ""; it is never connected to, and may be left empty."""
    return url and server_problem(url)


def target_problem(url: str) -> str:
    """Why `url` cannot be that of a rollback target, or ""; it may be private, and must be where there is no TLS."""
    problem = _url_problem(url, _OWN)
    if problem or "?" in url:
        return problem or "holds a query"
    host = httpx.URL(url).host
    public = _is_address(host) and not refusal(host) and url.lower().startswith("http:")
    return "plain http goes only to private addresses: use https" if public else ""


def webhook_problem(url: str, allowed: Sequence[Network]) -> str:
    """Why notices cannot be sent to `url` where a receiver lists the networks `allowed`, or ""."""
    problem = _url_problem(url, allowed)
    if problem or not url.lower().startswith("http:"):
        return problem
    host = httpx.URL(url).host
    if host == "localhost" or _is_address(host):
        listed = not refusal(host if _is_address(host) else "127.0.0.1", allowed, plain=True)
    else:
        listed = bool(allowed)  # which address it has is seen, and held to the list, when a connection is made
    return "" if listed else "plain http goes only to networks that allow_networks lists: use https"


def host_name_problem(host: str) -> str:
    """Why nothing can listen on `host`, or ""."""
    if _is_address(host):
        return "an address with a zone (%) is not taken" if "%" in host else ""
    return host_problem(host) or ("" if _NAME.fullmatch(host) else "must be an address or the name of a host")


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine. `localhost` is: resolvers must not send it out (RFC 6761, 6.3)."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def listener_problem(host: str) -> str:
    """Why intake and API may not listen on `host`, or "": tokens would cross the network in the clear (safety S12)."""
    return "" if is_loopback(host) else "must be loopback, as there is no TLS here: put a TLS proxy in front"


def network_problem(text: str) -> str:
    """Why `text` cannot be in `allow_networks`, or ""."""
    try:
        network = ip_network(text)
    except ValueError:
        return "must be a network such as 10.1.0.0/16, without host bits"
    if network.prefixlen == 0:
        return "lists every address there is: name the networks of the receiver"
    if any(_inside(network, never) for never in NEVER):
        return "is link-local, metadata, multicast or unspecified, where nothing is ever sent"
    return ""


def _inside(network: Network, never: Network) -> bool:
    return (
        network.version == never.version and network.network_address in never and network.prefixlen >= never.prefixlen
    )


def _url_problem(text: str, allowed: Sequence[Network]) -> str:
    if len(text) > URL_LENGTH_MAX or not _URL.fullmatch(text):
        return f"must be a URL of at most {URL_LENGTH_MAX} printable ASCII characters, without a fragment"
    try:
        url = httpx.URL(text)
        port = url.port
    except (httpx.InvalidURL, ValueError):
        return "is not a URL"
    if url.scheme not in {"http", "https"}:
        return "must begin with https:// or http://"
    if url.userinfo:
        return "holds a user or password, which would be logged"
    if port is not None and not 1 <= port <= 65_535:
        return "has no port from 1 to 65535"
    if "%" in url.host or (":" in url.host and not _is_address(url.host)):
        return "is not a URL"
    return host_problem(url.host) or (refusal(url.host, allowed) if _is_address(url.host) else "")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
