"""The same data, counted and compared by us and by the libraries that others use for it: CPU time a row, in one run.

Data: 20 columns of seeded normal doubles without a missing value, the first of the window shifted by half a standard
deviation, so that every measured run can be checked (that column must come out as the farthest). The reference has
100,000 rows; the window 1,000,000, or 100,000 for those that take seconds for it; Evidently, beside which a look
stands, is measured at both, as a look costs the same at any size. Each library works in an interpreter
and a venv of its own (`rivals.py` pins them), warms up on a small piece, and measures its own user and system time;
all take turns, round after round, one at a time and with one thread. The best round is quoted, the median kept.

What is compared. Theirs: from a data frame of floats in memory to a distance from the reference, the way their
documentation shows, in the fastest variant of those tried; reading the reference is left out wherever they can keep it
(NannyML, menelaus, popmon, whylogs). Ours: from columns in memory to the bins of the 20 features by output, and
the PSI of the 20 features read from them. A look is what we do at query time: a day of panes from the store, summed
and read; the others have no such thing, and start again from the rows.

Unfair to us: the layout is the best there is for them (every column in one piece, floats only, nothing missing, so that
no branch of theirs is taken); ours counts by output too, keeps missing, non-finite, out-of-range apart, and is exact at
quantile edges; histograms of equal width between the window's own ends (frouros, menelaus) cost less and can
not be added to those of another window. menelaus' kdq-tree and mean Hellinger give one number for all columns. NannyML
gets one chunk, where it would be given many. A whole pane, also shown, counts much more than any of them.
Unfair to them: Evidently makes its drawings on the way, and has no way around it; popmon counts by time and computes a
dozen statistics; whylogs estimates quantiles of unknown data, without edges made beforehand, and its profiles merge.
Our edges are made of the reference, which is not measured; nor is decoding rows, on either side.
Taking turns, each finds its caches cold and its large arrays given back, as a job that runs now and then does; that
costs those more that make copies of whole columns. Run three times on end, on a quieter machine, HDDDM came down to
170 ns a row and NannyML to 240 (2026-11), where our bins took 84: a lead of two to three, not of three to five.
A figure of a look beside one of Evidently is query time against query time: what we paid at intake is the row's count.

Failure mode: what can not be installed or run is reported by name and reason; its line says "not measured".
"""

from bench.peers.report import measure

__all__ = ["measure"]
