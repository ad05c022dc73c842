"""What real panes tell of rows is what the rows tell by plain numpy: the views of the other tests are made right."""

import made
import pytest
from sklearn import metrics

from monitor.detectors import DETECTORS
from monitor.facts import Subject, Task

NAMES = [
    name
    for name, kind in DETECTORS.items()
    if Task.CLASSIFICATION in kind.tasks and Subject.OUTCOMES in kind.subjects and hasattr(kind, "read")
]


@pytest.mark.parametrize("name", NAMES)
def test_a_reading_of_a_pane_is_that_of_its_rows(world, name):
    (found,) = world.views(world.pane(), Subject.OUTCOMES)
    expected = made.outcomes(world.outputs, world.labels, scores=world.scores)
    ours, theirs = (DETECTORS[name]().read(view, view) for view in (found, expected))
    assert (ours.verdict, ours.n) == (theirs.verdict, theirs.n)
    assert (ours.value, ours.limit) == pytest.approx((theirs.value, theirs.limit), abs=1e-4)


def test_scores_in_panes_rank_as_scikit_learn_says(world):
    (found,) = world.views(world.pane(), Subject.OUTCOMES)
    area, loss = (DETECTORS[name]().read(found, found).value for name in ("roc_auc", "log_loss"))
    assert area == pytest.approx(metrics.roc_auc_score(world.labels, world.scores), abs=0.005)
    assert loss == pytest.approx(metrics.log_loss(world.labels, world.scores), abs=1e-4)
