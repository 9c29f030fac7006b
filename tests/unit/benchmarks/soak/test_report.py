import json
from dataclasses import replace

from benchmarks.soak.plan import make_plan
from benchmarks.soak.report import as_json, render
from benchmarks.soak.run import Outcome
from benchmarks.soak.verdict import BAD, OK, UNJUDGED, Row, books, flatness
from tests.support.soak_figures import ENDING, sample

PLAN = make_plan(1800, seed=1)
OUTCOME = Outcome(
    samples=[sample(1.0)],
    ending=ENDING,
    faults={"gateway killed": 7},
    refusals={"0x00000045": 3},
    restart_s=[0.5, 0.7],
    drained_in_s=12.0,
    ledger_words="account x differs",
    rate_per_s=465.0,
)


def row(verdict, name="RSS, MiB"):
    return Row(name=name, found="1", limit="2", verdict=verdict)


def test_the_verdict_is_the_last_line():
    assert render(OUTCOME, PLAN, [row(OK)]).splitlines()[-1] == "verdict: good"
    assert render(OUTCOME, PLAN, [row(OK), row(BAD)]).splitlines()[-1] == "verdict: BAD"
    assert render(OUTCOME, PLAN, [row(UNJUDGED)]).endswith("verdict: good (-: not judged)")


def test_it_says_what_was_compared_and_what_went_wrong():
    text = render(OUTCOME, PLAN, [row(OK)])
    assert "compared: minutes 10.0 to 11.0 with" in text
    assert "gateway killed 7" in text
    assert "starts after a kill: 2, at most 0.7 s" in text
    assert "too short to compare anything" in render(OUTCOME, make_plan(15, seed=1), [row(OK)])


def test_the_words_of_the_ledger_follow_when_it_differs():
    assert "account x differs" not in render(OUTCOME, PLAN, [row(OK, "ledger")])
    assert render(OUTCOME, PLAN, [row(BAD, "ledger")]).endswith("account x differs")


def test_examples_of_what_is_wrong_are_shown():
    findings = replace(ENDING.findings, lost=1, examples={"at no carrier": ["000210002"]})
    outcome = replace(OUTCOME, ending=replace(ENDING, findings=findings))
    assert "at no carrier: ...000210002" in render(outcome, PLAN, [row(BAD)])


def test_json_holds_everything():
    rows = [*flatness(OUTCOME.samples, PLAN), *books(ENDING)]
    read = json.loads(json.dumps(as_json(OUTCOME, PLAN, rows, "2026-01-02T03:04:05+00:00")))
    assert read["measured_at"] == "2026-01-02T03:04:05+00:00"
    assert len(read["verdict"]) == len(rows)
    assert read["ending"]["findings"]["accepted"] == 100
    assert read["samples"][0]["response_p99_ms"] > 0
    assert read["plan"]["faults"][0][1] == "gateway killed"
