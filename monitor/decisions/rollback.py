"""One rollback as a state machine: a table from (step, observation) to the next step.

    PROPOSED --agreed--> PLANNED --verified--> VERIFIED --answers right--> PROBED
        |                   |                     |                           |
     EXPIRED,            REFUSED               REFUSED                     switched
     REFUSED                                                                  |
                        COMMITTED <--bake over-- BAKING <--served-- RELOADED <--told-- SWITCHED
                                                    |                   '---served the source---^
                                                  FAILED, never back              and then FAILED

The machine does nothing. Whoever drives it does what `Move.command` says, reports what was observed, makes the returned
step durable, and only then goes on: the intent is committed before the effect.

Every run begins with LOOK, a fresh one as well as one after a crash, until it bakes: where the link points to, and what
the server says it loaded, decide what is left to be done. Link right but served wrong means reload only. A switch whose
outcome could not be told is followed by LOOK, too, so that a conflict is certain when it is called one.

At most one switch takes effect: SWITCH is a compare-and-swap from the source to the target, nothing leads from SWITCHED
or RELOADED back to it, and a link that is found at the source after that is somebody's redeployment: FAILED, a page,
and no tug-of-war. Nothing here ever switches forward.

Served means the digest that the server says it loaded *and*, where golden probes were recorded for it, the answers it
gives: a server that names the right bytes and answers otherwise has failed. What was proved is then watched for the
bake time; what happens meanwhile ends the rollback or not, and switches nothing.

Whatever does not lead forward is a setback; `attempts` counts them over the whole rollback, crashes included, and
`ATTEMPTS_MAX` of them end it. Each loses two steps at most, so any run ends within 36 observations, whatever they are,
those not counted that find a baking rollback well.
"""

from enum import Enum

import msgspec
from msgspec.structs import replace

from monitor.facts import Rollback, RollbackStep

ATTEMPTS_MAX = 10  # a server that needs 30 s to load has five minutes; more is for people
PLAN_VALID_S = 3600.0  # a plan found after a long outage rests on evidence about another day


class Command(Enum):
    """What is to be done next. Each can be repeated without harm."""

    LOOK = "look"  # read what is set and what is served, change nothing; answer with `seen`
    VERIFY = "verify"  # the target's bytes against the release index
    PROBE = "probe"  # the candidate's answers to the golden probes, where it can be asked before it serves
    SWITCH = "switch"  # compare-and-swap what is set from the source to the target, durably
    RELOAD = "reload"  # tell the server
    PROVE = "prove"  # K consecutive answers of the server's loaded digest, and its answers to the golden probes


class Observation(Enum):
    """What came of a command."""

    AT_SOURCE = "at_source"  # LOOK: the source is set
    AT_TARGET = "at_target"  # LOOK: the target is set, and not served yet
    AT_TARGET_SERVED = "at_target_served"
    AT_OTHER = "at_other"  # LOOK: neither, or something else is served: somebody else is at work
    VERIFIED = "verified"
    BAD_TARGET = "bad_target"  # missing, or other bytes than were approved, or no longer approved
    ANSWERS_RIGHT = "answers_right"  # PROBE
    UNPROBED = "unprobed"  # PROBE: nothing was recorded, or nobody can be asked before the switch
    ANSWERS_WRONG = "answers_wrong"  # PROBE, PROVE: other answers than were recorded for these bytes
    SWITCHED = "switched"
    ALREADY = "already"  # the target was set before
    CONFLICT = "conflict"  # neither was set, and what was is as it was
    STOPPED = "stopped"  # VERIFY, PROBE, SWITCH: not done, automation was switched off since it was planned
    TOLD = "told"
    RELOAD_FAILED = "reload_failed"
    SERVED_TARGET = "served_target"
    SERVED_SOURCE = "served_source"
    SERVED_OTHER = "served_other"
    CANNOT_TELL = "cannot_tell"  # timed out or failed half-way: it may or may not have happened


class Place(Enum):
    """Which of the two a link points to, or a digest belongs to."""

    SOURCE = "source"
    TARGET = "target"
    OTHER = "other"
    UNKNOWN = "unknown"


class Move(msgspec.Struct, frozen=True):
    """The rollback to make durable, and what to do then; no command when it ended or waits for a person."""

    rollback: Rollback
    command: Command | None


S, O = RollbackStep, Observation  # noqa: E741  # the table below is read in columns

NEXT: dict[tuple[RollbackStep, Observation], RollbackStep] = {  # anything not listed is a setback: try again
    (S.PLANNED, O.AT_TARGET_SERVED): S.RELOADED,  # proves by itself that the approved bytes are loaded
    (S.PLANNED, O.AT_OTHER): S.REFUSED,
    (S.PLANNED, O.VERIFIED): S.VERIFIED,
    (S.PLANNED, O.BAD_TARGET): S.REFUSED,
    (S.PLANNED, O.STOPPED): S.REFUSED,
    (S.VERIFIED, O.AT_SOURCE): S.PLANNED,  # "verified" means now
    (S.VERIFIED, O.AT_TARGET_SERVED): S.RELOADED,
    (S.VERIFIED, O.AT_OTHER): S.REFUSED,
    (S.VERIFIED, O.ANSWERS_RIGHT): S.PROBED,
    (S.VERIFIED, O.UNPROBED): S.PROBED,
    (S.VERIFIED, O.ANSWERS_WRONG): S.REFUSED,
    (S.VERIFIED, O.STOPPED): S.REFUSED,
    (S.PROBED, O.AT_SOURCE): S.PLANNED,
    (S.PROBED, O.AT_TARGET): S.SWITCHED,
    (S.PROBED, O.AT_TARGET_SERVED): S.RELOADED,
    (S.PROBED, O.AT_OTHER): S.FAILED,
    (S.PROBED, O.SWITCHED): S.SWITCHED,
    (S.PROBED, O.ALREADY): S.SWITCHED,
    (S.PROBED, O.CONFLICT): S.REFUSED,
    (S.PROBED, O.BAD_TARGET): S.REFUSED,  # what was staged is no longer what was verified
    (S.PROBED, O.STOPPED): S.REFUSED,
    (S.SWITCHED, O.AT_SOURCE): S.FAILED,
    (S.SWITCHED, O.AT_TARGET_SERVED): S.RELOADED,
    (S.SWITCHED, O.AT_OTHER): S.FAILED,
    (S.SWITCHED, O.TOLD): S.RELOADED,
    (S.RELOADED, O.AT_SOURCE): S.FAILED,
    (S.RELOADED, O.AT_TARGET): S.SWITCHED,  # reload only
    (S.RELOADED, O.AT_OTHER): S.FAILED,
    (S.RELOADED, O.SERVED_TARGET): S.BAKING,
    (S.RELOADED, O.SERVED_SOURCE): S.SWITCHED,
    (S.RELOADED, O.SERVED_OTHER): S.FAILED,
    (S.RELOADED, O.ANSWERS_WRONG): S.FAILED,
    (S.BAKING, O.SERVED_SOURCE): S.FAILED,
    (S.BAKING, O.SERVED_OTHER): S.FAILED,
    (S.BAKING, O.ANSWERS_WRONG): S.FAILED,
}
COMMAND: dict[RollbackStep, Command] = {
    S.PLANNED: Command.VERIFY,
    S.VERIFIED: Command.PROBE,
    S.PROBED: Command.SWITCH,
    S.SWITCHED: Command.RELOAD,
    S.RELOADED: Command.PROVE,
    S.BAKING: Command.PROVE,
}
EXHAUSTED: dict[RollbackStep, RollbackStep] = {  # from PROBED on, the switch may have happened
    S.PLANNED: S.REFUSED,
    S.VERIFIED: S.REFUSED,
    S.PROBED: S.FAILED,
    S.SWITCHED: S.FAILED,
    S.RELOADED: S.FAILED,
    S.BAKING: S.FAILED,
}
FORWARD = (S.PLANNED, S.VERIFIED, S.PROBED, S.SWITCHED, S.RELOADED, S.BAKING, S.COMMITTED)
WELL = (S.BAKING, O.SERVED_TARGET)  # neither forward nor a setback
RUNNING = frozenset(COMMAND)
ENDED = frozenset({S.COMMITTED, S.REFUSED, S.FAILED, S.EXPIRED})
REASONS: dict[Observation, str] = {
    O.AT_SOURCE: "the source was set again by somebody else",
    O.AT_OTHER: "neither the source nor the target is set, or served",
    O.BAD_TARGET: "the target is missing or not what was approved",
    O.CONFLICT: "somebody else changed what is set at the same time",
    O.STOPPED: "automation was switched off since it was planned",
    O.SERVED_SOURCE: "the source is served again: somebody else put it back",
    O.SERVED_OTHER: "the server loaded neither the source nor the target",
    O.ANSWERS_WRONG: "the golden probes are answered otherwise than was recorded for these bytes",
}


def seen(link: Place, served: Place) -> Observation:
    """What LOOK observed. A server that cannot be asked is no obstacle: a bad model may have brought it down."""
    if link is Place.UNKNOWN:
        return O.CANNOT_TELL
    if link is Place.TARGET:
        return O.AT_TARGET_SERVED if served is Place.TARGET else O.AT_TARGET
    return O.AT_SOURCE if link is Place.SOURCE and served is not Place.OTHER else O.AT_OTHER


def begin(rollback: Rollback) -> Move:
    """How a run starts, the first or one after a crash: by a look at the world.

    Of what bakes only what is served matters, and is asked: what a link names costs reading a checkpoint.
    """
    if rollback.step is S.BAKING:
        return Move(rollback, Command.PROVE)
    return Move(rollback, Command.LOOK if rollback.step in RUNNING else None)


def advance(rollback: Rollback, observation: Observation, now: float, bake_s: float = 0.0) -> Move:
    """The next step and command; an ended or a proposed rollback stays as it is.

    What is proved bakes for `bake_s` seconds of event time before it is committed: until then there is no command, and
    whoever drives it begins again when time has passed.
    """
    step = rollback.step
    if step not in RUNNING:
        return Move(rollback, None)
    if step is S.PLANNED and now - rollback.planned > PLAN_VALID_S:
        return _end(rollback, S.EXPIRED, "the plan was left standing and its evidence is old", now)
    following = NEXT.get((step, observation), step)
    if following in ENDED:
        return _end(rollback, following, REASONS.get(observation, ""), now)
    forward = FORWARD.index(following) > FORWARD.index(step)
    attempts = rollback.attempts + (not forward and (step, observation) != WELL)
    if attempts >= ATTEMPTS_MAX:
        return _end(rollback, EXHAUSTED[step], f"{attempts} setbacks, the last: {observation.value}", now)
    stepped = rollback.stepped if following is step else now
    moved = replace(rollback, step=following, attempts=attempts, stepped=stepped)
    if following is S.BAKING and observation is O.SERVED_TARGET:
        return _end(moved, S.COMMITTED, "", now) if now - stepped >= bake_s else Move(moved, None)
    lost = step is S.PROBED and observation is O.CANNOT_TELL
    return Move(moved, Command.LOOK if lost else COMMAND[following])


def agree(rollback: Rollback, actor: str, now: float) -> Rollback:
    """A person with the scope agreed: PROPOSED becomes PLANNED."""
    assert rollback.step is S.PROPOSED, "only a proposal is agreed to"
    return replace(rollback, step=S.PLANNED, planned=now, stepped=now, approved_by=actor)


def end_unstarted(rollback: Rollback, step: RollbackStep, reason: str, now: float) -> Rollback:
    """Close a proposal that will not be executed: EXPIRED or REFUSED."""
    assert rollback.step is S.PROPOSED, "a rollback under way ends by what is observed"
    return _end(rollback, step, reason, now).rollback


def _end(rollback: Rollback, step: RollbackStep, reason: str, now: float) -> Move:
    return Move(replace(rollback, step=step, reason=reason, stepped=now), None)
