"""A loop whose clock a test sets ahead: who waits has waited long enough at once, and on no machine too early."""

import asyncio

PATIENT_S = 30.0  # what the tests give a line; a busy machine takes its time, and nothing here takes so long


class Ahead(asyncio.SelectorEventLoop):
    """Its time is the machine's and what was added."""

    ahead_s = 0.0

    def time(self):
        return super().time() + self.ahead_s


def run(coroutine):
    with asyncio.Runner(loop_factory=Ahead) as runner:
        return runner.run(coroutine)


def time_is_up():
    """Whoever waits for `PATIENT_S` on this loop is told so."""
    asyncio.get_running_loop().ahead_s += PATIENT_S
