"""All paths through the three examples: the metrics of each process agree with the database."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.example_outcomes import CASES
from tests.support.monitored import Ran

pytestmark = pytest.mark.timeout(240)

EXAMPLES = ("onboard-user", "order-fulfilment", "loan-approval")


@pytest.mark.parametrize("process", EXAMPLES)
def test_starts_and_ends_are_those_of_the_rows(ran: Ran, process: str) -> None:
    ended = ran.rows(f"SELECT status, count(*) FROM process_store WHERE process_key = '{process}' GROUP BY status")

    assert ended == Counter(case.status for case in CASES if case.process == process)
    assert {status: ran.total("processes_ended_total", process=process, status=status) for status in ended} == ended
    assert ran.total("processes_ended_total", process=process) == sum(ended.values())
    assert ran.total("starts_total", process=process, outcome="accepted") == sum(ended.values())
    assert ran.total("starts_total", process=process) == sum(ended.values())


@pytest.mark.parametrize("process", EXAMPLES)
def test_attempts_of_each_topic_are_those_of_the_event_log(ran: Ran, process: str) -> None:
    events = {
        (f"{process}.{step}", phase): count
        for step, phase, count in ran.monitored.rows(
            "SELECT step_name, phase, count(*) FROM event_log WHERE external_task_id IS NOT NULL AND correlation_id IN "
            f"(SELECT correlation_id FROM process_store WHERE process_key = '{process}') GROUP BY step_name, phase"
        )
    }

    assert {phase for _, phase in events} == {"completed", "bpmn-error"}
    counted = {
        (topic, outcome): ran.total("step_attempts_total", topic=topic, outcome=outcome) for topic, outcome in events
    }
    assert counted == events
    timed = {
        (topic, outcome): ran.total("step_duration_seconds_count", topic=topic, outcome=outcome)
        for topic, outcome in events
    }
    assert timed == events
    for topic in {topic for topic, _ in events}:
        of_topic = sum(count for (name, _), count in events.items() if name == topic)
        assert ran.total("step_attempts_total", topic=topic) == of_topic, "every counted attempt is in the event log"


@pytest.mark.parametrize("process", EXAMPLES)
def test_counted_answers_agree_with_the_rows_and_the_clients(ran: Ran, process: str) -> None:
    runs = [run for run in ran.examples if run.case.process == process]
    got = Counter(str(run.started.status) for run in runs)
    rows = ran.rows(f"SELECT correlation_id, status = 'ok' FROM process_store WHERE process_key = '{process}'")

    assert set(rows) == {run.id for run in runs}
    for run in runs:
        end = 200 if rows[run.id] else 422
        # A start with `respond-async` is answered 202, whatever its end is.
        assert run.started.status == (202 if run.case.acts else end), run.case.name
    assert {status: ran.total("start_answers_total", process=process, status=status) for status in got} == got
    assert ran.total("start_answers_total", process=process) == len(rows)
    assert ran.total("start_wait_seconds_count", process=process, answer="async") == got["202"]
    assert ran.total("start_wait_seconds_count", process=process, answer="sync") == got["200"] + got["422"]


def test_some_of_them_were_waited_for_and_some_not(ran: Ran) -> None:
    answers = Counter(run.started.status for run in ran.examples)

    assert set(answers) == {200, 202, 422}
    for status, number in answers.items():
        assert (
            sum(ran.total("start_answers_total", process=process, status=str(status)) for process in EXAMPLES) == number
        )


def test_no_process_has_an_incident_or_is_pending(ran: Ran) -> None:
    for process in EXAMPLES:
        assert ran.total("incidents_total", process=process) == 0
        assert ran.scrapes[0].value("incidents_open", process=process) == 0
        assert ran.scrapes[0].value("processes_pending", process=process) == 0
