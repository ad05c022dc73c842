"""What is shown is plain, renders as JSON at every moment, and holds no value of a row."""

import json

import pytest
from msgspec.structs import replace
from world import SERVING, Spy, Turns, control_of, evidence, label, many, rule

from monitor.decisions.rules import RulePack
from monitor.decisions.steadiness import Proofs
from monitor.export.edges import ModelEvidence
from monitor.export.pictures import Drawn
from monitor.export.snapshot import ReferenceRole, ServingStatus
from monitor.facts import Mode, RollbackStep, Subject, Verdict
from monitor.settings.model_sections import SegmentColumn
from monitor.turns import show
from monitor.turns.pictures import Drawing

KEYS = {"served", "readings", "alerts", "incident", "rollbacks", "latch", "mode", "totals"}


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", rule("output"), rule("columns", Subject.FEATURES), served="v1", mode=Mode.AUTO)
    yield made
    made.close()


def drawn(turns):
    """What the page draws."""
    return show.model_view(turns.watched, Drawing(features_max=2)).pictures


def plain(turns):
    """The status as a client reads it."""
    return json.loads(json.dumps(show.status(turns.watched), allow_nan=False))


def test_before_the_first_proof_there_is_nothing_to_show_and_no_error(turns):
    assert plain(turns)["served"] is None
    assert show.model_view(turns.watched) is None
    assert plain(turns).keys() >= KEYS


def test_the_status_says_what_is_served_and_in_which_role(turns):
    turns.settle(10.0)
    served = plain(turns)["served"]
    assert (served["bundle"], served["name"], served["role"], served["since"]) == ("v1", "v1", "known_good", 10.0)
    assert served["declared"] is True


ROLES = {"v1": "known_good", "v2": "candidate", "unheard of": "unregistered", None: "transition"}


@pytest.mark.parametrize("name", ROLES)
def test_each_role_has_its_name(turns, name):
    turns.server.name = name
    turns.settle(10.0)
    assert plain(turns)["served"]["role"] == ROLES[name]
    assert show.model_view(turns.watched).status.value == ROLES[name]


def test_a_bundle_that_the_index_forgot_is_unregistered_and_called_by_its_id(turns):
    turns.server.name = "v2"
    turns.settle(10.0)
    turns.watched.bundles = turns.watched.bundles[:1]
    assert show.serving_status(turns.watched) is ServingStatus.UNREGISTERED
    assert show.name_of(turns.watched, "v2") == "v2"


def test_readings_are_flat_with_their_window_and_reference(turns):
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    found = {(one["name"], one["column"]): one for one in plain(turns)["readings"]}
    assert found.keys() == {("output", ""), ("columns", "x"), ("columns", "c")}
    one = found["output", ""]
    assert (one["window_start"], one["window_end"], one["verdict"], one["value"]) == (0.0, 60.0, "ok", 10.0)
    assert (one["reference"], one["n"]) == ("judge", 500)


def test_readings_by_the_bundles_own_reference_are_marked(turns):
    turns.server.name = "v2"
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    assert {one["reference"] for one in plain(turns)["readings"]} == {"judge", "own"}
    roles = {each.reference for each in show.model_view(turns.watched).readings}
    assert roles == {ReferenceRole.JUDGE, ReferenceRole.OWN}


def test_totals_count_rows_and_labels(turns):
    turns.settle(0.0)
    assert (plain(turns)["totals"]["last_prediction"], plain(turns)["totals"]["last_label"]) == (None, None)
    turns.send(many(10), [label("p1", 1)], many(10))
    turns.settle(60.0)
    totals = plain(turns)["totals"]
    assert (totals["rows"], totals["duplicates"], totals["labels"]) == (10, 10, 1)
    assert totals["last_prediction"] == 9.0


def test_the_whole_life_of_an_incident_renders_as_json(tmp_path):
    turns = Turns(tmp_path / "state", *evidence(), served="v2", mode=Mode.AUTO)
    for now in (0.0, 60.0, 120.0, 180.0):
        turns.settle(now)
        shown = plain(turns)
        json.dumps([control_of(turns).incidents(), control_of(turns).rollbacks(), control_of(turns).status()])
    assert [one["step"] for one in shown["rollbacks"]] == ["committed"]
    assert (shown["mode"], shown["served"]["name"]) == ("auto", "v1")
    view = show.model_view(turns.watched)
    assert (view.rollbacks[RollbackStep.COMMITTED], view.last_rollback, view.incidents_opened) == (1, 60.0, 1)
    turns.close()


def test_a_proposal_that_waits_is_counted(tmp_path):
    turns = Turns(tmp_path / "state", *evidence(), served="v2", mode=Mode.APPROVE)
    turns.settle(0.0)
    turns.settle(60.0)
    view = show.model_view(turns.watched)
    assert (view.rollbacks_waiting, view.mode, view.incidents_open) == (1, Mode.APPROVE, 1)
    turns.close()


def test_a_latch_shows(turns):
    turns.settle(0.0)
    turns.watched.state = replace(turns.watched.state, latch="r1 failed")
    assert plain(turns)["latch"] == "r1 failed"
    assert show.model_view(turns.watched).latched


def test_classes_and_confusion_have_the_names_of_the_schema(tmp_path):
    turns = Turns(tmp_path / "state", rule("output"), rule("error", Subject.OUTCOMES))
    turns.settle(0.0)
    turns.send(many(10), [label("p0", 1), label("p1", 1), label("p2", 2)])
    turns.settle(60.0)
    view = show.model_view(turns.watched)
    assert [(each.name, each.rows) for each in view.outputs] == [("no", 5), ("yes", 5), ("__other__", 0)]
    cells = {(cell.predicted, cell.label): cell.rows for cell in view.confusion if cell.rows}
    assert cells == {("no", "yes"): 1, ("yes", "yes"): 1, ("no", "__other__"): 1}
    turns.close()


def test_the_segments_of_the_settings_may_be_labels(turns):
    turns.settle(0.0)
    chosen = {"c": SegmentColumn(values_max=1), "device": SegmentColumn(values=("ios",))}
    turns.watched.settings = turns.watched.settings.model_copy(update={"segments": chosen})
    assert show.model_view(turns.watched).segments == ("c=a", "c=__other__", "device=ios", "device=__other__")


def test_rows_by_bin_are_counted_from_the_start_of_the_daemon(turns):
    turns.settle(0.0)
    turns.send(many(10), many(3, 20.0, "q"))
    turns.settle(60.0)
    found = {(each.drawn, each.column): each.rows for each in drawn(turns).bins}
    assert sum(found[Drawn.FEATURE, "x"]) == sum(found[Drawn.SCORE, ""]) == sum(found[Drawn.OUTPUT, ""]) == 13
    turns.restart()
    turns.settle(60.0)
    assert {sum(each.rows) for each in drawn(turns).bins} == {0}


def test_the_newest_window_of_features_has_quantiles_beside_the_references(turns):
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    live, own = drawn(turns).spreads
    assert (live.column, live.of_reference, own.of_reference) == ("x", False, True)
    assert dict(live.quantiles)[0.5] == pytest.approx(live.mean, abs=0.25)


def test_another_activation_draws_nothing_of_the_windows_before_it(turns):
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    turns.server.name = "v2"
    turns.settle(61.0)
    turns.settle(62.0)
    assert [each.of_reference for each in drawn(turns).spreads] == [True]


def test_a_picture_before_the_first_proof_is_none_and_no_error(turns):
    turns.server.name = None
    turns.settle(10.0)
    assert {sum(each.rows) for each in drawn(turns).bins} <= {0}


def test_how_long_nothing_was_proved_is_told_of_servers_that_are_asked(turns):
    turns.settle(10.0)
    assert show.model_view(turns.watched).unproved_s is None
    turns.watched.settings = turns.watched.settings.model_copy(update={"serving": SERVING})
    assert show.model_view(turns.watched).unproved_s == 0.0
    turns.watched.unproved_s = 12.5
    assert show.model_view(turns.watched).unproved_s == 12.5


def test_a_server_that_takes_turns_between_bundles_is_unsteady(turns):
    turns.settle(10.0)
    digests = frozenset(each.checkpoint_digest for each in turns.watched.bundles)
    assert not show.model_view(turns.watched).unsteady
    turns.watched.proofs = Proofs(unsteady=True, flips=digests)
    assert show.model_view(turns.watched).unsteady


def test_evidence_of_a_model_is_shown_where_the_settings_ask_for_it(turns):
    turns.settle(10.0)
    turns.watched.evidence_values, turns.watched.evidence_end, turns.watched.evidence_reports = {"drifted": 0.5}, 9.0, 1
    assert show.model_view(turns.watched).evidence == ModelEvidence({"drifted": 0.5}, end=9.0, reports=1)
    none = turns.watched.settings.evidence.model_copy(update={"incidents": False, "every": 0.0, "metrics": {}})
    turns.watched.settings = turns.watched.settings.model_copy(update={"evidence": none})
    assert show.model_view(turns.watched).evidence is None


def test_an_index_that_is_not_in_force_shows_why(turns):
    turns.watched.releases.problem = "releases.json: is not JSON"
    assert plain(turns)["release_index_problem"] == "releases.json: is not JSON"


def test_a_detector_of_a_third_party_is_shown_by_its_class(turns):
    assert show.rule_view(rule("mine", detector=Spy(Verdict.OK))).detector == "Spy"


def test_what_a_rule_that_is_gone_showed_is_not_on_the_page(turns):
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    turns.watched.pack = RulePack(1, (rule("output"),))
    assert {each.rule.name for each in show.model_view(turns.watched).readings} == {"output"}


@pytest.mark.parametrize("shown", [show.status, show.model_view])
def test_a_look_that_adds_to_the_readings_meanwhile_does_no_harm(turns, monkeypatch, shown):
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    for name in ("reading", "reading_view"):
        real = getattr(show, name)

        def adding(each, *more, real=real):
            turns.watched.shown[f"{len(turns.watched.shown)}", "", "", False] = each
            return real(each, *more)

        monkeypatch.setattr(show, name, adding)
    assert shown(turns.watched)
