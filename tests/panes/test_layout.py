"""Every cell of a pane means one thing, and views read it where counting wrote it."""

import numpy as np
import pytest

from monitor.errors import Corrupt
from monitor.facts import Arrivals, Pairs, Subject
from monitor.panes.layout import LAG_EDGES_S, SCORE_BINS, Layout
from monitor.panes.reference import CategoryBins, NumericBins, digest, encode_reference

SECTIONS = (
    *("rows", "kept", "joint_span", "moments", "output", "output_moments", "score", "confusion", "scored"),
    *("squared_error", "score_label", "log_loss", "likely", "class_scores", "labelled", "clipped", "errors"),
    *("ranks", "lag", "pairs", "agreement", "repeated", "contents", "concordance", "error_bins", "slices"),
)


def numbered(layout: Layout):
    """A pane whose every count is its own cell number."""
    return layout.pane(np.arange(layout.size))


def sizes(layout: Layout) -> dict[str, int]:
    found = {name: getattr(layout, name).stop - getattr(layout, name).start for name in SECTIONS}
    return {name: size for name, size in found.items() if size}


@pytest.mark.parametrize("name", ["small", "regression", "ranking"])
def test_sections_cover_every_cell_once(request, name):
    layout = request.getfixturevalue(name)
    cells = [cell for name in SECTIONS for cell in range(layout.size)[getattr(layout, name)]]
    assert cells == list(range(layout.size))


def test_sections_of_a_classification_have_the_documented_sizes(small):
    assert sizes(small) == {
        "rows": 1,
        "kept": 1,
        "joint_span": 3 * ((2 + 5) + (2 + 4)),
        "moments": 2,
        "output": 3,
        "score": 3 * 65,
        "confusion": 9,
        "scored": 1,
        "squared_error": 1,
        "score_label": 128,
        "log_loss": 1,
        "likely": 1,
        "lag": 16,
        "pairs": 6,
        "agreement": 2,
        "repeated": 1,
        "contents": 64,
    }
    assert sizes(small)["lag"] == len(LAG_EDGES_S) + 1


def test_sections_of_a_regression_have_the_documented_sizes(regression):
    shared = {"rows": 1, "kept": 1, "joint_span": 6 * 7, "moments": 2, "output": 15, "output_moments": 2}
    labels = {
        "labelled": 1,
        "clipped": 1,
        "errors": 24,
        "lag": 16,
        "pairs": 10,
        "agreement": 2,
        "repeated": 1,
        "contents": 64,
    }
    assert sizes(regression) == shared | labels


def test_sections_of_a_ranking_have_the_documented_sizes(ranking):
    shared = {"rows": 1, "kept": 1, "joint_span": 7, "moments": 2, "output": 7, "output_moments": 2}
    assert sizes(ranking) == shared | {
        "labelled": 1,
        "ranks": 8,
        "lag": 16,
        "agreement": 2,
        "repeated": 1,
        "contents": 64,
    }


@pytest.mark.parametrize(("classes", "cells"), [(2, 0), (3, 384), (6, 768), (7, 0)])
def test_only_few_classes_have_a_table_of_probabilities(layout_of, classes, cells):
    assert sizes(layout_of(NumericBins("x", (0.0,)), classes=classes)).get("class_scores", 0) == cells


def test_a_numeric_histogram_sums_its_cells_over_the_groups(small):
    histogram = small.features(numbered(small))[0]
    assert (histogram.column, histogram.ordered, histogram.edges) == ("x", True, (0.0, 1.0, 2.0))
    assert histogram.bins == (9, 18, 27, 36)  # cells 2 + 3 + 4, 5 + 6 + 7 and so on
    assert histogram.outside == 9 + 36
    assert (histogram.missing, histogram.non_finite, histogram.invalid) == (45, 54, 63)


def test_a_categorical_histogram_sums_its_cells_over_the_groups(small):
    histogram = small.features(numbered(small))[1]
    assert (histogram.column, histogram.ordered, histogram.bins) == ("c", False, (72, 81, 90, 99))
    assert (histogram.outside, histogram.missing, histogram.non_finite, histogram.invalid) == (99, 108, 0, 117)


def test_joint_counts_have_the_bins_of_the_histogram(small):
    joint = small.joint(numbered(small), "c")
    assert [sum(bin_) for bin_ in joint] == [72, 81, 90, 99]
    assert small.group_names == ("a", "b", "__other__")


def test_a_single_feature_reads_like_all_of_them(small):
    pane = numbered(small)
    assert small.view(pane, Subject.FEATURES, "c") == small.features(pane)[1]


def test_an_unknown_feature_is_an_error(small):
    with pytest.raises(KeyError):
        small.view(small.empty(), Subject.FEATURES, "y")


def test_output_score_and_rows_are_read_from_their_sections(small):
    pane = numbered(small)
    start = small.output.start
    assert small.view(pane, Subject.OUTPUT).bins == (start, start + 1, start + 2)
    assert small.view(pane, Subject.ARRIVALS) == Arrivals(0)
    score = small.view(pane, Subject.SCORE)
    assert len(score.bins) == SCORE_BINS
    assert score.bins[0] == 3 * small.score.start + 65 + 130
    assert score.missing == 3 * (small.score.start + 64) + 65 + 130


def test_outcomes_read_confusion_by_prediction_then_label(small):
    pane, start = numbered(small), small.confusion.start
    outcomes = small.view(pane, Subject.OUTCOMES)
    assert outcomes.confusion[1] == (start + 3, start + 4, start + 5)
    assert (outcomes.scored, outcomes.squared_error) == (start + 9, start + 10)
    assert (outcomes.log_loss, outcomes.likely) == (start + 11 + 128, start + 12 + 128)
    assert outcomes.lag == tuple(range(small.lag.start, small.lag.stop))


def test_pairs_bring_the_rows_of_the_window(small):
    counts = np.zeros(small.size, np.int64)
    counts[small.rows], counts[small.pairs] = 100, [10, 4, 5, 2, 1, 1]
    assert small.view(small.pane(counts), Subject.PAIRS) == Pairs(100, 10, 4, 5, 2, 1, 1)


@pytest.mark.parametrize("subject", Subject)
def test_a_pane_of_other_bins_is_never_read(small, layout_of, subject):
    other = layout_of(NumericBins("x", (0.0, 9.0)), name="sha256:other").empty()
    with pytest.raises(ValueError, match="was read as one of"):
        small.view(other, subject, "x")


def test_a_column_of_no_values_still_has_somewhere_to_count(layout_of):
    layout = layout_of(NumericBins("x", ()), CategoryBins("c", ()))
    histograms = layout.features(layout.empty())
    assert [histogram.bins for histogram in histograms] == [(0, 0), (0, 0)]


def test_a_pane_is_read_only(small):
    with pytest.raises(ValueError, match="read-only"):
        small.empty().counts[0] = 1


def test_the_layout_bears_the_name_of_its_reference(small):
    import msgspec

    whole = msgspec.structs.replace(small.reference, counts=(0,) * small.size)
    layout = Layout.of(whole)
    assert layout.digest == digest(encode_reference(whole))
    assert layout.reference_pane() == layout.empty()
    with pytest.raises(Corrupt):
        Layout.of(small.reference)
