"""The registry: processes and workers, one step a topic, and which topics a process may lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_bridge.definition import ProcessDefinition, define_process, define_worker
from camunda_bridge.errors import DefinitionError
from camunda_bridge.registry import Registry
from tests.unit.test_definition import declare, handler


def process_with(folder: Path, key: str, *topics: str) -> ProcessDefinition:
    """A process whose diagram has these topics; the first is its own step's."""
    made = declare(folder, key, *topics)
    made.step("own", topic=topics[0])(handler)
    return made


def test_topic_has_one_step_and_both_owners_are_named(tmp_path: Path) -> None:
    registry = Registry()
    registry.add(process_with(tmp_path, "order", "send-email"))
    worker = define_worker("mail")
    worker.step("send-email")(handler)
    with pytest.raises(
        DefinitionError, match=r"topic 'send-email' has a step in process 'order' and one in worker 'mail'"
    ):
        registry.add(worker)
    with pytest.raises(DefinitionError, match="in process 'order' and one in process 'other'"):
        registry.add(process_with(tmp_path, "other", "send-email"))


def test_process_and_worker_of_one_key_would_share_a_queue_and_are_refused(tmp_path: Path) -> None:
    registry = Registry()
    registry.add(define_worker("order"))
    with pytest.raises(DefinitionError, match="process 'order' is declared twice, the other is worker 'order'"):
        registry.add(process_with(tmp_path, "order", "a"))


def test_process_leads_to_the_topics_of_workers_that_its_diagram_has(tmp_path: Path) -> None:
    registry = Registry()
    worker = define_worker("mail")
    worker.step("send-email")(handler)
    worker.step("send-fax")(handler)
    registry.add(worker)
    registry.add(process_with(tmp_path, "order", "charge", "send-email"))
    registry.add(process_with(tmp_path, "anything", "own", "${any}"))

    def names(key: str) -> set[str]:
        return {topic.name for topic in registry.family_topics(key)}

    assert names("order") == {"charge", "send-email"}
    assert names("anything") == {"own", "send-email", "send-fax"}
    # A process that others deployed may use any topic of a worker, and none of a process's.
    assert names("theirs") == {"send-email", "send-fax"}
    assert registry.queues == ["steps.order", "steps.anything", "steps.mail"]
    assert {topic.name: topic.process_keys for topic in registry.topics()}["send-email"] is None
    # An expression may give any topic.
    assert registry.unhandled_topics() == {}


def test_worker_has_no_response_step() -> None:
    with pytest.raises(DefinitionError, match="a response step belongs to a process, not to worker 'mail'"):
        define_worker("mail").step("send-email", outcome="ok")


def test_topic_is_handled_in_the_processes_whose_tasks_are_fetched() -> None:
    order = define_process("order")
    order.step("pay")(lambda given: {})
    order.step("print", topic="print-label")(lambda given: {})
    mail = define_worker("mail")
    mail.step("send")(lambda given: {})
    registry = Registry()
    registry.add(order)
    registry.add(mail)
    found = {
        (topic, key): registry.handles(topic, key)
        for topic in ("order.pay", "print-label", "send", "nobody")
        for key in ("order", "claim")
    }
    assert {place for place, handled in found.items() if handled} == {
        ("order.pay", "order"),
        ("order.pay", "claim"),
        ("print-label", "order"),
        ("send", "order"),
        ("send", "claim"),
    }
