"""A bundle that was trained on suspected data is no target, nor is one of which that cannot be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import V0, V1, V2, make_bundle, make_case
from msgspec.structs import replace

from monitor.decisions.choosing import SKIPPED_MAX, find_target, skipped
from monitor.decisions.policy import decide
from monitor.decisions.taint import newest_data, suspects, taint
from monitor.facts import Batch, BundleId, BundleStatus, Ruling, Suspicion

DAY = 86_400.0
WHOSE = st.sampled_from([(), ("ops",), ("crowd/*",)])
CROWD = Suspicion(10 * DAY, 20 * DAY, ("crowd/*",))


def batch(source, start, end, digest="sha256:aa"):
    return Batch(digest, source, 100, start * DAY, end * DAY)


def trained(*batches, cutoff=None, bundle_id=V1, **fields):
    return replace(make_bundle(bundle_id), lineage=batches, cutoff=cutoff, **fields)


def why(bundle, *suspicions, others=()):
    known = {each.id: each for each in (bundle, *others)}
    return taint(bundle, known, suspicions)


@pytest.mark.parametrize(
    ("given", "tainted"),
    [
        (batch("crowd/7", 12, 13), True),
        (batch("crowd/7", 0, 11), True),
        (batch("crowd/7", 19, 40), True),
        (batch("crowd/7", 0, 10), False),  # ends where the suspected begin
        (batch("crowd/7", 20, 30), False),
        (batch("ops", 12, 13), False),
        (batch("crowded", 12, 13), False),
    ],
)
def test_a_batch_taints_where_it_overlaps_in_time_and_comes_from_a_suspected_source(given, tainted):
    assert bool(why(trained(given), CROWD)) is tainted


def test_without_a_source_everybodys_data_are_suspected():
    assert why(trained(batch("ops", 12, 13)), Suspicion(10 * DAY))


def test_a_batch_that_is_named_taints_whenever_and_whoever_it_came_from():
    named = Suspicion(0.0, batches=("sha256:bad",))
    assert why(trained(batch("ops", 1, 2, "sha256:bad")), named)
    assert not why(trained(batch("ops", 1, 2, "sha256:good")), named)
    assert why(trained(cutoff=DAY), named), "it lists no batches"


def test_a_bundle_without_lineage_is_free_of_what_began_after_its_cutoff_and_of_nothing_else():
    assert not why(trained(cutoff=10 * DAY), CROWD)
    assert "whose they are" in why(trained(cutoff=11 * DAY), CROWD)


def test_a_bundle_that_says_nothing_is_free_of_what_began_after_it_was_made():
    silent = replace(trained(), registered=10 * DAY)
    assert (newest_data(silent), why(silent, CROWD)) == (10 * DAY, "")
    assert "neither" in why(replace(silent, registered=11 * DAY), CROWD)


def test_taint_is_inherited_from_any_ancestor():
    grandparent = trained(batch("crowd/7", 12, 13), bundle_id=V0)
    parent = trained(batch("ops", 1, 2), bundle_id=V2, parents=(V0,))
    child = trained(batch("ops", 2, 3), parents=(V2,))
    assert "ancestor v0" in why(child, CROWD, others=(parent, grandparent))
    clean = trained(batch("ops", 12, 13), bundle_id=V0)
    assert not why(child, CROWD, others=(parent, clean))


def test_an_ancestor_that_the_index_does_not_know_cannot_be_told():
    assert "not in the release index" in why(trained(cutoff=0.0, parents=(V0,)), CROWD)


@pytest.mark.parametrize("status", [BundleStatus.QUARANTINED, BundleStatus.REVOKED])
def test_what_was_trained_from_a_bundle_that_was_set_aside_is_tainted(status):
    parent = replace(trained(cutoff=0.0, bundle_id=V0), status=status)
    assert status.value in why(trained(cutoff=0.0, parents=(V0,)), CROWD, others=(parent,))


def test_a_lineage_that_names_itself_ends():
    one = trained(cutoff=0.0, bundle_id=V0, parents=(V1,))
    assert why(trained(cutoff=0.0, parents=(V0, V1)), CROWD, others=(one,)) == ""


def test_where_nothing_is_suspected_nothing_is_tainted():
    assert why(trained(parents=(V0,))) == ""


@given(st.lists(st.tuples(st.sampled_from(["ops", "crowd/1"]), st.integers(0, 30), st.integers(0, 9))), st.data())
def test_suspecting_more_never_makes_a_bundle_clean(spans, data):
    bundle = trained(*(batch(source, start, start + length) for source, start, length in spans))
    some = [Suspicion(s * DAY, sources=w) for s, w in data.draw(st.lists(st.tuples(st.integers(0, 30), WHOSE)))]
    more = [*some, Suspicion(data.draw(st.integers(0, 30)) * DAY, sources=data.draw(WHOSE))]
    assert not why(bundle, *some) or why(bundle, *more)


def test_a_prefix_is_a_prefix_and_a_name_is_a_name():
    assert suspects(CROWD, "crowd/7")
    assert not suspects(CROWD, "crowd")
    assert not suspects(Suspicion(0.0, sources=("crowd",)), "crowd/7")


# ---------------------------------------------------------------- choosing


def chain(*statuses):
    """Bundles of these statuses, oldest first; each says up to when its data reach, a day after the one before."""
    return tuple(
        replace(
            make_bundle(V1, status),
            id=BundleId(f"sha256:{day}"),
            checkpoint_digest=f"sha256:c{day}",
            name=f"b{day}",
            order=day,
            cutoff=day * DAY,
        )
        for day, status in enumerate(statuses)
    )


def asked(bundles, *suspicions, **fields):
    return replace(make_case(), bundles=bundles, suspicions=suspicions, **fields)


GOOD = BundleStatus.KNOWN_GOOD


def test_the_target_is_the_newest_untainted_and_every_newer_one_is_named_with_its_reason():
    case = asked(chain(GOOD, GOOD, GOOD, BundleStatus.REVOKED, GOOD), Suspicion(1.5 * DAY))
    assert find_target(case).name == "b1"
    assert [(ident, words.split(",")[0]) for ident, words in skipped(case)] == [
        ("sha256:4", "its data reach into the suspected time"),
        ("sha256:3", "it is revoked"),
        ("sha256:2", "its data reach into the suspected time"),
    ]


def test_when_every_bundle_is_tainted_nothing_is_done_and_the_decision_says_why():
    case = asked(chain(GOOD, GOOD), Suspicion(-DAY))
    decision = decide(case)
    assert (decision.ruling, decision.target) == (Ruling.DENY, None)
    [gate] = [gate for gate in decision.gates if gate.name == "target"]
    assert "b1" in gate.why
    assert "b0" in gate.why
    assert len(decision.skipped) == 2


def test_a_bundle_below_the_floor_is_passed_over():
    old, new = chain(GOOD, GOOD)
    case = asked((replace(old, security=3), replace(new, security=2)), floor=3)
    assert find_target(case).name == "b0"
    assert "below the floor" in skipped(case)[0][1]


def test_an_expired_index_has_no_target_and_passes_over_nothing():
    case = asked(chain(GOOD), expired=True)
    assert (find_target(case), skipped(case)) == (None, ())


def test_what_is_told_of_passed_over_bundles_is_bounded():
    assert len(skipped(asked(chain(*[BundleStatus.CANDIDATE] * 50)))) == SKIPPED_MAX
