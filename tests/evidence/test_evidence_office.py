"""The office against workers that misbehave: each is a small program in the place of the real one."""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest
from evidenceworld import ask, job

from monitor.clock import ManualClock
from monitor.evidence.jobs import Failure, Result
from monitor.evidence.office import Evidence, EvidenceState, Limits
from monitor.settings.units import Size

HEAD = """
import sys, os, struct, json, signal, time
i, o = sys.stdin.buffer, sys.stdout.buffer
def read():
    head = i.read(4)
    return json.loads(i.read(struct.unpack('>I', head)[0])) if head else sys.exit()
def write(message):
    body = json.dumps(message).encode(); o.write(struct.pack('>I', len(body)) + body); o.flush()
def answer(asked): write({'job': asked['id'], 'model': asked['model'], 'took_s': float(os.getpid())})
read()
"""
GREET = HEAD + "write({'version': 'test'})\n"
GOOD = GREET + "while True: answer(read())"
HUNG = GREET + "read(); time.sleep(600)"
BIG = GREET + "read(); x = bytearray(200 << 20); time.sleep(600)"
DEAD = GREET + "read(); os.kill(os.getpid(), signal.SIGKILL)"
SPENT = GREET + "read(); os.kill(os.getpid(), signal.SIGXCPU)"
NONSENSE = GREET + "read(); o.write(b'\\xff' * 100); o.flush(); time.sleep(600)"
BREACH = GREET + (
    "while True: a = read(); write({'job': a['id'], 'model': a['model'], 'took_s': float(os.getpid()),"
    " 'faults': [{'name': 'socket.connect', 'reason': 'network'}]})"
)
LATIN = (
    GREET + "read(); b = b'{\"job\": \"\\xff\"}'; o.write(struct.pack('>I', len(b)) + b); o.flush(); time.sleep(600)"
)
FLOOD = GREET + "read(); o.write(struct.pack('>I', 5 << 20)); o.flush(); time.sleep(600)"
OTHER = GREET + "a = read(); write({'job': 'another', 'model': a['model']}); time.sleep(600)"
NAMES = (
    GREET + "a = read(); write({'job': a['id'], 'model': a['model'], 'values': [{'name': 'x', 'value': 1.0}]}); read()"
)
BURST = GREET + (
    "a = read(); each = {'name': 'asked.x', 'value': 1.0}; "
    "write({'job': a['id'], 'model': a['model'], 'values': [each] * 51}); read()"
)
MISSING = HEAD + "write({'fault': {'name': 'job', 'reason': 'worker_start', 'why': 'cannot import evidently'}})"


def served(
    program: str, jobs: int = 1, clock: ManualClock | None = None, **limits
) -> tuple[list[Result], EvidenceState]:
    """Give so many jobs, one after the other; return what came and how the office stood then."""

    async def run() -> tuple[list[Result], EvidenceState]:
        office = Evidence(Limits(**limits), clock or ManualClock(), (sys.executable, "-c", program))
        results = []
        for number in range(jobs):
            asked = job(Path("/x"), id=f"j{number}", asks=(ask("asked", "MeanValue"),))
            results.append(await office.submit(asked))
            if clock:
                clock.step(clock.now() + 10)
        state = office.state()
        await office.aclose()
        return results, state

    return asyncio.run(run())


def reason(result: Result) -> Failure:
    return result.faults[0].reason


def test_a_good_worker_is_kept_for_the_next_job() -> None:
    results, state = served(GOOD, jobs=3)
    assert len({result.took_s for result in results}) == 1
    assert (state.worker_starts, state.done, state.worker_ends) == (1, 3, ())


@pytest.mark.parametrize(
    ("program", "limits", "why", "end"),
    [
        (HUNG, {"timeout_s": 0.2}, Failure.TIMEOUT, "timeout"),
        (SPENT, {}, Failure.TIMEOUT, "timeout"),
        (BIG, {"memory_bytes_max": 100 << 20}, Failure.MEMORY, "memory"),
        (DEAD, {}, Failure.WORKER_DIED, "died"),
        (NONSENSE, {}, Failure.WORKER_DIED, "died"),
        (LATIN, {}, Failure.WORKER_DIED, "died"),
        (FLOOD, {}, Failure.WORKER_DIED, "died"),
        (OTHER, {}, Failure.WORKER_DIED, "died"),
        (NAMES, {}, Failure.WORKER_DIED, "died"),
        (BURST, {}, Failure.WORKER_DIED, "died"),
        (BREACH, {}, Failure.NETWORK, "breach"),
        (MISSING, {}, Failure.WORKER_START, "start"),
        ("raise SystemExit(3)", {}, Failure.WORKER_START, "start"),
    ],
    ids=[
        "hung",
        "spent",
        "big",
        "dead",
        "nonsense",
        "latin",
        "flood",
        "other",
        "names",
        "burst",
        "breach",
        "missing",
        "stillborn",
    ],
)
def test_a_bad_worker_is_replaced_and_the_failure_named(program, limits, why, end) -> None:
    results, state = served(program, jobs=2, **limits)
    assert [reason(result) for result in results] == [why, why]
    assert state.worker_starts == 2
    assert dict(state.worker_ends) == {end: 2}
    assert state.failures == ((why, "delays", 2),)


def test_limits_as_the_settings_hold_them_reach_the_worker() -> None:
    [result], _ = served(GOOD, memory_bytes_max=Size.parse("1GiB"))
    assert result.faults == ()


def test_a_worker_is_replaced_after_its_share_of_jobs() -> None:
    results, state = served(GOOD, jobs=5, jobs_max=2)
    assert len({result.took_s for result in results}) == 3
    assert dict(state.worker_ends) == {"jobs": 2}


def test_a_worker_is_replaced_at_its_age() -> None:
    _, state = served(GOOD, jobs=4, clock=ManualClock(), age_max_s=20.0)
    assert dict(state.worker_ends) == {"age": 1}


def test_an_idle_worker_is_ended() -> None:
    async def run() -> tuple[EvidenceState, Result]:
        office = Evidence(Limits(idle_s=0.01), ManualClock(), (sys.executable, "-c", GOOD))
        await office.submit(job(Path("/x")))
        await office._loop
        return office.state(), await office.submit(job(Path("/x"), id="again"))

    state, again = asyncio.run(run())
    assert dict(state.worker_ends) == {"idle": 1}
    assert state.worker_rss_bytes == 0
    assert again.faults == ()


@pytest.mark.parametrize(
    ("limits", "workers", "ends"),
    [
        ({"queue_max": 2}, 1, ()),
        ({"memory_bytes_max": 1 << 29}, 2, (("settings", 1),)),
        ({"timeout_s": 99.0}, 2, (("settings", 1),)),
    ],
)
def test_new_limits_hold_for_the_next_job_and_replace_a_worker_that_has_the_old_ones(limits, workers, ends) -> None:
    async def run() -> EvidenceState:
        office = Evidence(Limits(), ManualClock(), (sys.executable, "-c", GOOD))
        for number in range(2):
            assert (await office.submit(job(Path("/x"), id=f"j{number}"))).faults == ()
            office.renew(Limits(**limits))
        state = office.state()
        await office.aclose()
        return state

    state = asyncio.run(run())
    assert (state.worker_starts, state.worker_ends) == (workers, ends)


def test_an_idle_worker_ends_by_the_new_time() -> None:
    async def run() -> EvidenceState:
        office = Evidence(Limits(idle_s=600.0), ManualClock(), (sys.executable, "-c", GOOD))
        await office.submit(job(Path("/x")))
        office.renew(Limits(idle_s=0.01))
        assert office._loop is not None
        await office._loop
        state = office.state()
        await office.aclose()
        return state

    assert asyncio.run(run()).worker_ends == (("idle", 1),)


def test_what_does_not_fit_the_queue_is_dropped_and_counted() -> None:
    async def run() -> tuple[Result, EvidenceState]:
        office = Evidence(Limits(queue_max=1), ManualClock(), (sys.executable, "-c", HUNG))
        office.submit(job(Path("/x"), id="first"))
        dropped = await office.submit(job(Path("/x"), id="second"))
        state = office.state()
        await office.aclose()
        return dropped, state

    dropped, state = asyncio.run(run())
    assert reason(dropped) is Failure.QUEUE_FULL
    assert state.failures == ((Failure.QUEUE_FULL, "delays", 1),)


def test_the_same_job_is_done_once() -> None:
    async def run() -> bool:
        office = Evidence(Limits(), ManualClock(), (sys.executable, "-c", GOOD))
        first, second = office.submit(job(Path("/x"))), office.submit(job(Path("/x")))
        await first
        await office.aclose()
        return first is second

    assert asyncio.run(run())


def test_closing_leaves_nobody_waiting_and_no_process() -> None:
    async def run() -> tuple[list[Result], int]:
        office = Evidence(Limits(), ManualClock(), (sys.executable, "-c", HUNG))
        waiting = [office.submit(job(Path("/x"), id=f"j{number}")) for number in range(3)]
        while not office.state().worker_rss_bytes:  # noqa: ASYNC110 - a process tells nobody that it is there
            await asyncio.sleep(0)
        pid = office._worker._process.pid
        await office.aclose()
        return [await future for future in waiting] + [await office.submit(job(Path("/x")))], pid

    results, pid = asyncio.run(run())
    assert {reason(result) for result in results} == {Failure.CLOSED}
    assert not Path(f"/proc/{pid}").exists()


def test_a_message_is_the_same_on_the_other_side() -> None:
    asked = job(Path("/x"))
    assert msgspec.json.decode(msgspec.json.encode(asked), type=type(asked)) == asked
