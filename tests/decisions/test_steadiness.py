"""A server that takes turns is believed by nobody until it keeps to one model."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import INDEX

from monitor.decisions.steadiness import CHANGES, PROOFS_MAX, Proofs, between_registered, changes, proved

K, NOTHING = 3, Proofs()


def after(words, before=NOTHING, rollback=""):
    """What is known after proofs of these digests, one letter each."""
    return reduce(lambda proofs, digest: proved(proofs, digest, K, rollback), words, before)


def believed(words):
    """For each proof, its digest where it was believed, a dot where not."""
    steps = [after(words[:place]).believed for place in range(1, len(words) + 1)]
    return "".join(digest if step else "." for digest, step in zip(words, steps, strict=True))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("aaaa", "aaaa"),
        ("aaabbb", "aaabbb"),  # a deployment is believed at once
        ("aaba", "aab."),
        ("aababbb", "aab...b"),  # K equal ones in a row end it
        ("aababaabbab", "aab........"),
    ],
)
def test_turns_are_not_believed_until_one_stays(words, expected):
    assert believed(words) == expected


def test_a_digest_that_was_not_seen_before_is_believed_in_the_midst_of_it():
    assert believed("ababxabab") == "ab..x...."


def test_a_third_model_begins_the_flip_flop_and_is_believed():
    assert believed("abc") == "abc"
    assert after("abc").unsteady


def test_what_is_steady_again_starts_over():
    assert after("ababbb") == Proofs(("b",))
    assert believed("ababbba") == "ab...ba"


def test_changes_that_are_long_ago_are_forgotten():
    quiet = "a" + "b" * PROOFS_MAX + "a"
    assert believed(quiet) == quiet


def test_a_rollback_of_ours_is_no_turn():
    before = after("aab")
    rolled = after("aaa", before, rollback="i1.r1")
    assert (rolled.unsteady, rolled.digests) == (False, ("a", "a", "a"))


def test_the_page_is_about_registered_bundles_only():
    one, two = (bundle.checkpoint_digest for bundle in INDEX[:2])
    assert between_registered(after([one, two, one]), INDEX)
    assert not between_registered(after([one, "sha256:stranger", one]), INDEX)
    assert not between_registered(after([one, two]), INDEX)


proofs = st.lists(st.sampled_from("abc"), max_size=60)


@given(proofs)
def test_it_is_bounded_whatever_the_server_says(words):
    found = after(words)
    assert len(found.digests) <= PROOFS_MAX
    assert found.flips <= set("abc")


@given(proofs)
def test_k_equal_proofs_are_always_believed(words):
    stayed = after([*words, "a", "a", "a"])
    assert (stayed.believed, stayed.unsteady) == (True, False)


@given(st.sampled_from("ab"), proofs)
def test_what_is_not_believed_was_preceded_by_enough_changes(first, words):
    said = [first, *words]
    assert after(said).believed or changes(tuple(said)) >= CHANGES
