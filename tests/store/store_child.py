"""A process to be killed: it appends and folds without end, and prints each id once it is acknowledged."""

import asyncio
import sys
from pathlib import Path

import structlog
from storeworld import claim, fold, open_store, submission

from monitor.store.parts import Limits

CLIENTS = 8


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def client(store, name):
    """Requests of one to three rows, each with its key, one after the other."""
    number = 0
    while True:
        ids = [f"{name}.{number + i}" for i in range(1 + number % 3)]
        await store.append(submission(*ids, claim=claim(ids[0])))
        say(*ids)
        number += len(ids)


async def folds(store):
    while True:
        await asyncio.to_thread(fold, store, 50)
        await asyncio.sleep(0)


async def main(path, life):
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    store = open_store(path, Limits(free_bytes_min=0, wal_pages_max=32, file_bytes_min=100))
    say("ready")
    async with asyncio.TaskGroup() as group:
        group.create_task(folds(store))
        for number in range(CLIENTS):
            group.create_task(client(store, f"{life}.{number}"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
