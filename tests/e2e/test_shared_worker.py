"""A worker that belongs to no process: its steps run in a process of this installation, through the whole stack."""

from __future__ import annotations

from tests.support.api import Api


def test_step_of_a_worker_runs_in_a_process_and_is_in_its_event_log(api: Api) -> None:
    answer = api.start("notifies", {"address": "ada@example.org"})
    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"mailed": "ada@example.org for notifies.mail"}

    events = api.events(answer.body["traceabilityId"])
    assert [event["stepName"] for event in events] == ["send-mail", "respond"]
    assert events[0]["metadata"] == {"processKey": "notifies", "element": "mail"}


def test_topic_of_a_worker_is_listed_with_it_and_may_be_limited(api: Api) -> None:
    topics = {topic["topic"]: topic for topic in api.get("/api/process/topics").body["topics"]}
    assert topics["send-mail"]["processKey"] == "mailer"
    assert topics["notifies-answer"]["processKey"] == "notifies"
