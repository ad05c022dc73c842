"""A regression, a classification of four classes and a ranking, as examples/tasks/README.md says, watched for twelve days.

Its commands are typed as they stand into a shell; the dashboards of the three are then asked of the Prometheus that saw.
"""

import pytest

from grafana.ask import Look, panels
from monitor.facts import Task

pytestmark = pytest.mark.real

MODELS = {Task.REGRESSION: "minutes", Task.CLASSIFICATION: "band", Task.RANKING: "choice"}
DAEMON = {"Notices", "Rows taken and refused"}  # nobody is told in this example, and no row of it is refused
QUIET = {
    Task.REGRESSION: {"Quality": "no feature is out of its limits"},
    Task.CLASSIFICATION: {},
    Task.RANKING: {},
}


@pytest.mark.parametrize("task", Task)
def test_x(task_looks, task):
    look = task_looks[task]
    empty = [(p["title"], t["refId"], t["expr"]) for p in panels(look.document) for t in p["targets"] if not look.answer(t)]
    for e in empty: print(task.value, e)
    print(look.values)
    if task is Task.RANKING:
        from pathlib import Path; import time
        from grafana.pictures import write, OF_TASKS
        out = Path("/tmp/tasks-pic"); out.mkdir(exist_ok=True)
        write(out, OF_TASKS | {"regression-seg": ("model-regression","Features",""), "band": ("model-classification","","Features")}, look.prometheus, (look.span.start, look.span.end))
    assert 0
