"""How much memory a real daemon takes: its own (anonymous), so neither the code of libraries nor the page cache.

Memory is not time: a busy machine makes a rate lower, not a buffer larger. The bounds, in MiB:

    idle    88      150 (the goal of `python -m bench idle`) less 62 of libraries' code, mapped; 69 measured 2026-11
    loaded  200     idle
                    + 36 for 4 requests of 10,000 rows of 190 bytes, 5 times: body, its pieces, columns, record, queue
                    + 52 for a fold of 110,000 rows: 190 bytes of columns, 25 of cells, 60 of a receipt four times, ids
                    + 12 for a merge of receipts: 65,536 of 60 bytes, 3 times; + 12 for what is free between them

155 measured after 1.2 million rows. Where threads begin before `settle_memory` it is 260; with Arrow's own allocator
10 to 30 more.
"""

import http.client
from concurrent.futures import ThreadPoolExecutor

from bench.client import Stream
from bench.intake import counted, watched
from bench.world import daemon

IDLE_MIB, LOADED_MIB = 88, 200
CONNECTIONS, ROWS, REQUESTS = 4, 10_000, 30  # requests of each connection
ARROW = "application/vnd.apache.arrow.stream"


def send(started, connection):
    """One request after the other; every row is acknowledged."""
    stream, http_ = Stream(ROWS, "memory", connection), http.client.HTTPConnection("127.0.0.1", started.port)
    headers = {"Authorization": f"Bearer {started.token}", "Content-Type": ARROW}
    for _ in range(REQUESTS):
        http_.request("POST", "/v1/predictions", bytes(stream()), headers)
        answer = http_.getresponse()
        assert answer.status == http.client.OK, answer.read()
        answer.read()
    http_.close()


def test_a_daemon_is_small_without_traffic_and_bounded_at_full_rate():
    with daemon() as started:
        assert started.own_mib <= IDLE_MIB
        with watched(started) as most, ThreadPoolExecutor(CONNECTIONS) as senders:
            list(senders.map(lambda connection: send(started, connection), range(CONNECTIONS)))
            counted(started, CONNECTIONS * ROWS * REQUESTS)
        assert 0 < most[1] <= LOADED_MIB
