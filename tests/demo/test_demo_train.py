import json
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.demo import train
from monitor.demo.flights import CATEGORICAL, NEVER, NUMERIC

RNG_SEED = 20130401


def utc(month, day):
    return datetime(2013, month, day, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def rows(flights):
    return flights.departing(utc(1, 10), utc(1, 25))


@pytest.fixture(scope="module")
def checkpoint(flights, rows):
    return train.fit(flights, rows, flights.late[rows])


def test_the_server_gives_the_probabilities_that_scikit_learn_gave(flights, rows, checkpoint, server_module):
    labelled = rows[flights.late[rows] != NEVER]
    tables = [train._cut(name, flights.numeric[name][labelled]) for name in NUMERIC]
    tables += [train._list(name, flights.categorical[name][labelled]) for name in CATEGORICAL]
    fitted = train.regress(
        np.hstack([train.indicate(table, flights, labelled) for table in tables]), flights.late[labelled]
    )
    unseen = flights.departing(utc(2, 1), utc(2, 9))
    theirs = fitted.predict_proba(np.hstack([train.indicate(table, flights, unseen) for table in tables]))[:, 1]
    ours = server_module.decode(train.encode(checkpoint)).score(flights.features(unseen), len(unseen))
    assert np.allclose(ours, theirs, rtol=0, atol=1e-5)  # scikit-learn adds up in 32 bits


def test_a_checkpoint_is_json_and_comes_back_the_same(checkpoint):
    body = train.encode(checkpoint)
    assert json.loads(body) == checkpoint
    assert train.encode(json.loads(body)) == body


def test_the_same_flights_make_the_same_bytes(flights, rows, checkpoint):
    again = train.fit(flights, rows, flights.late[rows])
    assert train.encode(again) == train.encode(checkpoint)


def test_flights_without_a_truth_do_not_teach(flights, rows, checkpoint):
    labelled = rows[flights.late[rows] != NEVER]
    assert train.encode(train.fit(flights, labelled, flights.late[labelled])) == train.encode(checkpoint)


def test_the_attacker_turns_forty_percent_of_on_time_into_late_and_nothing_else():
    late = np.repeat(np.array([NEVER, 0, 1], np.int8), 20_000)
    flipped = train.flip_labels(late, RNG_SEED)
    assert np.array_equal(flipped[late != 0], late[late != 0])
    # Half of the labels times .8; 3 standard errors of 20,000 are .01.
    assert abs(np.mean(flipped[late == 0]) - 0.4) < 0.0104


def test_the_attack_is_the_same_in_every_run():
    late = np.zeros(1_000, np.int8)
    assert np.array_equal(train.flip_labels(late, 3), train.flip_labels(late, 3))
    assert not np.array_equal(train.flip_labels(late, 3), train.flip_labels(late, 4))


def test_the_model_ranks_better_than_chance_on_flights_it_has_not_seen(flights, checkpoint, server_module):
    from sklearn.metrics import roc_auc_score

    unseen = flights.departing(utc(2, 1), utc(2, 9))
    unseen = unseen[flights.late[unseen] != NEVER]
    scores = server_module.decode(train.encode(checkpoint)).score(flights.features(unseen), len(unseen))
    assert roc_auc_score(flights.late[unseen], scores) > 0.62


def test_scikit_learn_is_imported_only_to_fit():
    import subprocess

    code = "import sys, monitor.demo.train; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
