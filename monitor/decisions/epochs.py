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

Rows are put to epochs by `monitor.panes.attribution`. Failure mode: a switch there and back between two proofs is
invisible here; response digests and paired evidence see it.
"""

from collections.abc import Sequence

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


def prove(epochs: tuple[Epoch, ...], model: ModelName, served: Served, now: float) -> tuple[Epoch, ...]:
    """Extend the timeline by one proof at `now`; the same timeline with a later `proved` if nothing changed.

    Epochs begin in order, and none after `now`: one that does began by a clock that was set back since.
    """
    epochs = _by_now(epochs, now) or (_transition(1, model, 0.0, served.judge),)
    last = epochs[-1]
    if _same(last, served):
        return (*epochs[:-1], msgspec.structs.replace(last, proved=now))
    if last.acts and last.digest != served.digest and now > last.proved:
        last = _transition(last.number + 1, model, last.proved, last.judge)
        epochs = (*epochs, last)
    return (
        *epochs,
        Epoch(
            number=last.number + 1,
            model=model,
            bundle=served.bundle,
            digest=served.digest,
            start=now,
            proved=now,
            judge=served.judge,
            own=served.own,
            known_good=served.known_good,
        ),
    )


def lose(epochs: tuple[Epoch, ...], model: ModelName, judge: str) -> tuple[Epoch, ...]:
    """Open a transition at the last proof: the server has not proved anything for too long, perhaps never did.

    `judge` is the last known-good's reference, used where there is no epoch yet.
    """
    if not epochs:
        return (_transition(1, model, 0.0, judge),)
    last = epochs[-1]
    return (*epochs, _transition(last.number + 1, model, last.proved, last.judge)) if last.acts else epochs


def waver(epochs: tuple[Epoch, ...], model: ModelName, judge: str, now: float) -> tuple[Epoch, ...]:
    """Take a proof at `now` that is not believed, because the server takes turns: nobody knows what it serves."""
    epochs = lose(_by_now(epochs, now), model, judge)
    return (*epochs[:-1], msgspec.structs.replace(epochs[-1], proved=max(now, epochs[-1].proved)))


def forget(epochs: tuple[Epoch, ...], horizon: float) -> tuple[Epoch, ...]:
    """The first epoch, and those of the others that had not ended before `horizon`, the newest `EPOCHS_MAX` at most."""
    first = next((i for i in range(1, len(epochs)) if i + 1 == len(epochs) or epochs[i + 1].start >= horizon), 1)
    return epochs[:1] + epochs[max(first, len(epochs) - EPOCHS_MAX + 1) :]


def _by_now(epochs: tuple[Epoch, ...], now: float) -> tuple[Epoch, ...]:
    """Let no epoch begin, or be proved, later than it is."""
    if all(each.proved <= now for each in epochs[-1:]):
        return epochs
    return tuple(
        msgspec.structs.replace(each, start=min(each.start, now), proved=min(each.proved, now)) for each in epochs
    )


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
