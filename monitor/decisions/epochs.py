"""The serving timeline: which bundle answered at which time.

A row is judged by the model that answered it. What is known of that are proofs: at event time t the server named the
digest of the bytes it has loaded. Between the last proof of one bundle and the first proof of the next nobody knows,
so that stretch is an epoch of its own, `transition`, whose rows are counted and never act:

    proof v1   proof v1        proof v2   proof v2
    ---|-----------|--------------|----------|------> event time
       [ epoch 2, v1 .. [ epoch 3 . [ epoch 4, v2 ...
                          transition

Epochs never merge: v1 before v2 and v1 after the rollback are two, so that a window, a slot or a detector's state
never mixes them. A new epoch starts empty. Everything before the first proof is a transition, too.

The timeline is kept as far back as the panes are, and never longer than `EPOCHS_MAX`; what is older than that belongs
to the first epoch, the transition before everything that is known, which never acts.

A clock that is set back proves what was proved later already, and nobody can tell from that whether it stood ahead then
or stands behind now. So no closed epoch ever moves: late rows of the bundle of before would become evidence about the
present one, for good. The open epoch begins now if it alone begins later, and what was proved of it later is forgotten,
so that a clock that was set right does not leave the present bundle unseen.

While a clock that leapt ahead is in doubt (`monitor.decisions.clocks`), a bundle is proved up to the time of before the
leap alone, and the next one begins by the clock: what lies between is a transition, whichever of the two is right. What
began so and is left again has begun by the time of before, so nothing closed lies ahead of a clock that comes back.

Rows are put to epochs by `monitor.panes.attribution`. Failure modes: a switch there and back between two proofs is
invisible here; response digests and paired evidence see it. Where the clock goes back behind the last switch, rows are
of the epoch before until that time has come again, and what is served is judged from then on.
"""

from collections.abc import Sequence
from math import inf

import msgspec

from monitor.facts import TRANSITION, UNREGISTERED, Bundle, BundleId, BundleStatus, Epoch, ModelName

EPOCHS_MAX = 500  # a deployment opens two; only a server that cannot make up its mind opens more in a horizon


class Served(msgspec.Struct, frozen=True):
    """What a proof says, put beside the release index: the bundle and whose reference judges it."""

    bundle: BundleId
    digest: str
    judge: str
    own: str
    known_good: bool


def identify(digest: str, bundles: Sequence[Bundle], epochs: Sequence[Epoch]) -> Served:
    """Name the bundle behind a served digest: the one last activated with it, else the one registered last.

    ValueError if the release index holds no known-good bundle: then nothing can be judged.
    """
    good = last_known_good(bundles)
    if good is None:
        msg = "the release index holds no known-good bundle"
        raise ValueError(msg)
    candidates = {b.id: b for b in bundles if b.checkpoint_digest == digest}
    if not candidates:
        return Served(UNREGISTERED, digest, good.reference_digest, "", known_good=False)
    activated = next((e.bundle for e in reversed(epochs) if e.bundle in candidates), None)
    bundle = candidates[activated] if activated else max(candidates.values(), key=_newest)
    known_good = bundle.status is BundleStatus.KNOWN_GOOD
    judge = bundle.reference_digest if known_good else good.reference_digest
    return Served(bundle.id, digest, judge, bundle.reference_digest, known_good)


def last_known_good(bundles: Sequence[Bundle]) -> Bundle | None:
    """The known-good bundle that is newest by the index's order; None if there is none."""
    good = [b for b in bundles if b.status is BundleStatus.KNOWN_GOOD]
    return max(good, key=_newest, default=None)


def prove(
    epochs: tuple[Epoch, ...], model: ModelName, served: Served, now: float, believed: float = inf
) -> tuple[Epoch, ...]:
    """Extend the timeline by one proof at `now`; the same timeline with another `proved` if nothing changed.

    Epochs begin in order, and closed ones stay where they are, wherever `now` is; what was proved of the last one
    stays its own when another follows. `believed`: the time it is for sure, if that is earlier.
    """
    epochs = _begun(epochs, now) or (_transition(1, model, 0.0, served.judge),)
    if _same(epochs[-1], served):
        return (*epochs[:-1], _proved(epochs[-1], min(now, believed)))
    epochs = _begun(epochs, believed)
    last = epochs[-1]
    if last.acts and last.digest != served.digest and now > last.proved:
        last = _transition(last.number + 1, model, last.proved, last.judge)
        epochs = (*epochs, last)
    start = max(now, last.proved)
    return (
        *epochs,
        Epoch(
            number=last.number + 1,
            model=model,
            bundle=served.bundle,
            digest=served.digest,
            start=start,
            proved=start,
            judge=served.judge,
            own=served.own,
            known_good=served.known_good,
        ),
    )


def lose(epochs: tuple[Epoch, ...], model: ModelName, judge: str, believed: float = inf) -> tuple[Epoch, ...]:
    """Open a transition at the last proof: the server has not proved anything for too long, perhaps never did.

    `judge` is the last known-good's reference, used where there is no epoch yet. `believed`: see `prove`.
    """
    epochs = _begun(epochs, believed)
    if not epochs:
        return (_transition(1, model, 0.0, judge),)
    last = epochs[-1]
    return (*epochs, _transition(last.number + 1, model, last.proved, last.judge)) if last.acts else epochs


def waver(
    epochs: tuple[Epoch, ...], model: ModelName, judge: str, now: float, believed: float = inf
) -> tuple[Epoch, ...]:
    """Take a proof at `now` that is not believed, because the server takes turns: nobody knows what it serves."""
    now = min(now, believed)
    epochs = _begun(epochs, now)
    if epochs and epochs[-1].proved > now:
        epochs = (*epochs[:-1], _proved(epochs[-1], now))
    epochs = lose(epochs, model, judge)
    return (*epochs[:-1], _proved(epochs[-1], now))


def forget(epochs: tuple[Epoch, ...], horizon: float) -> tuple[Epoch, ...]:
    """The first epoch, and those of the others that had not ended before `horizon`, the newest `EPOCHS_MAX` at most."""
    first = next((i for i in range(1, len(epochs)) if i + 1 == len(epochs) or epochs[i + 1].start >= horizon), 1)
    return epochs[:1] + epochs[max(first, len(epochs) - EPOCHS_MAX + 1) :]


def _begun(epochs: tuple[Epoch, ...], now: float) -> tuple[Epoch, ...]:
    """Let the open epoch begin by `now`, if the one before it has: then it began by a clock that was set back since."""
    if not epochs[1:] or not epochs[-2].start <= now < epochs[-1].start:
        return epochs
    start = max(now, epochs[-2].proved)
    return (*epochs[:-1], msgspec.structs.replace(epochs[-1], start=start, proved=start))


def _proved(epoch: Epoch, now: float) -> Epoch:
    """The epoch with its last proof at `now`: an earlier one, where a clock that stood ahead was set back."""
    return msgspec.structs.replace(epoch, proved=max(now, epoch.start))


def _newest(bundle: Bundle) -> tuple[int, float]:
    return bundle.order, bundle.registered


def _same(last: Epoch, served: Served) -> bool:
    return (last.bundle, last.digest, last.judge, last.own, last.known_good) == (
        served.bundle,
        served.digest,
        served.judge,
        served.own,
        served.known_good,
    )


def _transition(number: int, model: ModelName, start: float, judge: str) -> Epoch:
    return Epoch(number=number, model=model, bundle=TRANSITION, digest="", start=start, proved=start, judge=judge)
