"""Every cell of a pane means one thing, and views read it where counting wrote it."""

import numpy as np
import pytest

from monitor.errors import Corrupt
from monitor.facts import Arrivals, Pairs, Subject
from monitor.panes.layout import LAG_EDGES_S, SCORE_BINS, Layout
from monitor.panes.reference import CategoryBins, NumericBins, digest, encode_reference

SECTIONS = (
    *("rows", "features_span", "output", "score", "confusion", "scored"),
    *("squared_error", "score_label", "lag", "pairs", "agreement"),
)


def numbered(layout: Layout):
    """A pane whose every count is its own cell number."""
    return layout.pane(np.arange(layout.size))


def test_sections_cover_every_cell_once(small):
    cells = [cell for name in SECTIONS for cell in range(small.size)[getattr(small, name)]]
    assert cells == list(range(small.size))


def test_sections_have_the_documented_sizes(small):
    sizes = {name: getattr(small, name).stop - getattr(small, name).start for name in SECTIONS}
    assert sizes == {
        "rows": 1,
        "features_span": (2 + 5) + (2 + 4),
        "output": 3,
        "score": 3 * 65,
        "confusion": 9,
        "scored": 1,
        "squared_error": 1,
        "score_label": 128,
        "lag": 16,
        "pairs": 6,
        "agreement": 2,
    }
    assert sizes["lag"] == len(LAG_EDGES_S) + 1


def test_a_numeric_histogram_reads_its_cells_in_order(small):
    histogram = small.features(numbered(small))[0]
    assert (histogram.column, histogram.ordered, histogram.bins) == ("x", True, (1, 2, 3, 4))
    assert (histogram.outside, histogram.missing, histogram.non_finite, histogram.invalid) == (1 + 4, 5, 6, 7)


def test_a_categorical_histogram_reads_its_cells_in_order(small):
    histogram = small.features(numbered(small))[1]
    assert (histogram.column, histogram.ordered, histogram.bins) == ("c", False, (8, 9, 10, 11))
    assert (histogram.outside, histogram.missing, histogram.non_finite, histogram.invalid) == (11, 12, 0, 13)


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
