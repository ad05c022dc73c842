from types import SimpleNamespace

import pytest

from monitor.demo.stream import Stream

HOUR = 3_600


class Daemon:
    def __init__(self):
        self.steps, self.answer = [], {"served": {"name": "v1", "role": "known_good", "epoch": 1, "since": 0}}

    def advance(self, now):
        self.steps.append(now)

    def status(self):
        return self.answer


class View:
    def __init__(self):
        self.told, self.frames = [], []

    def tell(self, at, words):
        self.told.append((at, words))

    def show(self, frame):
        self.frames.append(frame)


@pytest.fixture
def busy():
    """Hours in which flights depart or arrive, by their start."""
    return {HOUR * hour for hour in (0, 1, 6, 7)}


@pytest.fixture
def stream(busy):
    gateway = SimpleNamespace(daemon=Daemon(), rows=0, labels=0)
    gateway.is_idle, gateway.carry = lambda start, _end: start not in busy, lambda _start, _end: None
    return Stream(gateway, View())


def test_the_clock_is_stepped_through_every_hour_with_flights_and_over_the_others_at_once(stream):
    stream.begin(0)
    stream.play(10 * HOUR)
    assert [step // HOUR for step in stream.gateway.daemon.steps] == [0, 1, 2, 6, 7, 8, 9, 10]
    assert stream.now == 10 * HOUR


def test_rows_are_handed_in_before_the_step_that_ends_their_hour(stream):
    order = []
    stream.gateway.carry = lambda start, _end: order.append(("carry", start))
    stream.gateway.daemon.advance = lambda now: order.append(("step", now))
    stream.play(2 * HOUR)
    assert order == [("carry", 0), ("step", HOUR), ("carry", HOUR), ("step", 2 * HOUR)]


def test_a_stretch_ends_as_soon_as_the_status_says_so_and_goes_on_from_there(stream):
    assert stream.play(10 * HOUR, lambda _: stream.now >= 2 * HOUR)
    assert stream.now == 2 * HOUR
    assert not stream.play(10 * HOUR)
    assert [step // HOUR for step in stream.gateway.daemon.steps] == [1, 2, 6, 7, 8, 9, 10]


def test_every_step_is_shown(stream):
    stream.chapter = "spring"
    stream.play(8 * HOUR)
    assert [frame.now for frame in stream.view.frames] == stream.gateway.daemon.steps
    assert {frame.chapter for frame in stream.view.frames} == {"spring"}


def test_a_new_epoch_is_told_once_with_its_own_time(stream):
    stream.play(2 * HOUR)
    stream.gateway.daemon.answer = {"served": {"name": "v2", "role": "candidate", "epoch": 3, "since": 5 * HOUR}}
    stream.play(8 * HOUR)
    assert stream.view.told == [(0, "v1 (known_good) serves, epoch 1"), (5 * HOUR, "v2 (candidate) serves, epoch 3")]


def test_lines_of_an_incident_are_told_once_though_every_status_repeats_them(stream):
    stream.gateway.daemon.answer |= {"incident": {"timeline": [[HOUR, "fired"]]}}
    stream.play(8 * HOUR)
    assert stream.view.told.count((HOUR, "fired")) == 1


def test_a_daemon_that_serves_nothing_yet_can_be_shown(stream):
    stream.gateway.daemon.answer = {"served": None, "incident": None}
    stream.begin(0)
    assert stream.view.told == []
