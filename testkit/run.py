"""A process under test: it is started, its steps run until it has ended or waits, and then the test inspects it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from marshmallow import RAISE

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.definition import ProcessDefinition, WorkerDefinition
from camunda_bridge.endings import end_of
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import EngineUnavailable, NotFound
from camunda_bridge.executor import Execution, Failed
from camunda_bridge.steps import StepDefinition
from camunda_bridge.variables import from_engine, outgoing, to_engine
from testkit.isolation import Deployments
from testkit.worker import Phase, Worker

#: longest time that steps of a process may run, in seconds; then the test fails, because the diagram may have a loop
PATIENCE_S = 30.0
#: most elements of the path in the text of a run; the last ones are shown
SHOWN = 40
#: pause before checking again whether a job has ended that the engine itself runs, in seconds
JOB_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One attempt of a step, as the event log would store it. `phase` is completed, bpmn-error, failed or lost."""

    step: str
    activity: str
    phase: str
    attempt: int
    request: dict[str, Any]
    response: dict[str, Any]
    http_status_code: int | None = None


class ProcessRun:
    """A started process.

    Attributes:
        events: one for each attempt of a step, in order.
        status: ok, error, incident or waiting.
        result: the result for the client: the output of the response step, or without one the variables at the end.
        error: the error for the client, when the status is error or incident.
    """

    def __init__(
        self,
        deployments: Deployments,
        process: ProcessDefinition,
        variables: Mapping[str, Any],
        *,
        calls: Iterable[ProcessDefinition] = (),
        workers: Iterable[WorkerDefinition] = (),
        replace: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        priority: int = 0,
    ) -> None:
        if process.start_schema is not None:
            process.start_schema.load(dict(variables), unknown=RAISE)
        family = {member.key: member for member in (process, *calls)}
        for member in family.values():
            deployments.deploy(member, family.values())
        self.events: list[StepEvent] = []
        self.correlation_id = correlation_id or f"test-{uuid4().hex[:12]}"
        self.status = "waiting"
        self.result: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        self._engine = deployments.engine
        self._calls = any(deployments.diagram(member).calls for member in family.values())
        self._worker = Worker(deployments, family, workers, replace or {}, self._record)
        self._answer: tuple[str, dict[str, Any]] | None = None
        about = ExecutionContext(
            process_id=str(uuid4()),
            correlation_id=self.correlation_id,
            traceability_id=self.correlation_id,
            priority=priority,
        )
        outgoing(variables)
        start = to_engine({**variables, CONTEXT_VARIABLE: about.to_variable()})
        self.instance_id = self._engine.start(deployments.key(process.key), self.correlation_id, start).id
        self._go_on()

    def __repr__(self) -> str:
        path = " > ".join(self.path[-SHOWN:])
        text = f"<run {self.status}: {path}; result={self.result!r} error={self.error!r}"
        for element, topic in self.unhandled.items() if self.status == "waiting" else ():
            text += f"; no handler for topic {topic!r} of {element!r}: a step or a worker must declare it"
        return f"{text}>"

    # -- what has happened

    @property
    def path(self) -> list[str]:
        """Ids of the elements that the process has passed, in order; an element appears as often as it was passed."""
        found = self._engine.session.get(
            "/history/activity-instance",
            processInstanceId=self.instance_id,
            sortBy="occurrence",
            sortOrder="asc",
        )
        return [item["activityId"] for item in found]

    @property
    def steps(self) -> list[str]:
        """Names of the steps that ran, in order, including those of called processes; one entry for each attempt."""
        return [event.step for event in self.events]

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the process: the current ones, or the last ones when it has ended."""
        values = from_engine(self._engine.historic_variables(self.instance_id))
        values.pop(CONTEXT_VARIABLE, None)
        return values

    @property
    def waiting_at(self) -> list[str]:
        """Ids of the elements at which the process waits, without the sub-processes around them."""
        found = self._engine.session.get(
            "/history/activity-instance", processInstanceId=self.instance_id, unfinished="true"
        )
        around = {item["parentActivityInstanceId"] for item in found}
        return sorted(item["activityId"] for item in found if item["id"] not in around)

    @property
    def unhandled(self) -> dict[str, str]:
        """Id of each element that waits for a worker, with its topic, if neither process nor worker handles it."""
        tasks = [
            task
            for instance in sorted(self._instances())
            for task in self._engine.session.get("/external-task", processInstanceId=instance, active="true")
        ]
        topics = {task["activityId"]: self._worker.original(task["topicName"]) for task in tasks}
        return {element: topic for element, topic in topics.items() if not self._worker.handles(topic)}

    # -- what the test can trigger

    def fire_timer(self, activity: str | None = None) -> ProcessRun:
        """Fire a timer now, before its time; `activity`: id of its element, needed when there are several timers.

        Raises:
            LookupError: there is no such timer, or more than one.
        """
        timers = {
            self._engine.session.get(f"/job-definition/{job['jobDefinitionId']}")["activityId"]: job["id"]
            for job in self._jobs(timers="true")
        }
        wanted = [job for name, job in timers.items() if activity in (None, name)]
        if len(wanted) != 1:
            raise LookupError(
                f"{len(wanted)} timers match {activity!r}; running timers: {', '.join(sorted(timers)) or 'none'}"
            )
        self._execute(wanted[0])
        return self._go_on()

    def message(self, name: str, variables: Mapping[str, Any] | None = None) -> ProcessRun:
        """Send a message to the process.

        Raises:
            LookupError: the process doesn't wait for this message.
        """
        values = outgoing(variables or {})
        if not any(self._engine.correlate(name, instance_id=found, variables=values) for found in self._instances()):
            raise LookupError(f"nothing waits for the message {name!r}; the process waits at {self.waiting_at}")
        return self._go_on()

    def retry(self) -> ProcessRun:
        """Give every step and job with an open incident one more attempt."""
        for incident in [found for each in self._instances() for found in self._engine.incidents_of(each)]:
            if incident["incidentType"] == "failedExternalTask" and incident["configuration"]:
                self._engine.set_task_retries(incident["configuration"], 1)
            elif incident["incidentType"] == "failedJob" and incident["configuration"]:
                self._engine.set_job_retries(incident["configuration"], 1)
        return self._go_on()

    def stop(self) -> None:
        """Delete the instance if it is running."""
        if self._is_running():
            self._engine.delete_instance(self.instance_id, "the test has ended")

    # -- running steps and jobs

    def _go_on(self) -> ProcessRun:
        self.result = self.error = None
        deadline = time.monotonic() + PATIENCE_S
        # The second _work() is for steps after a job that the engine itself ran between the first one and _run_jobs().
        while self._work() or (self._is_running() and (self._run_jobs() or self._work())):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the process is still running steps after {PATIENCE_S:.0f} s: {self!r}")
        self._conclude()
        return self

    def _work(self) -> int:
        return self._worker.work(self.correlation_id, self._instances)

    def _is_running(self) -> bool:
        found = self._engine.historic_instance(self.instance_id)
        return found is not None and found["state"] in ("ACTIVE", "SUSPENDED")

    def _run_jobs(self) -> bool:
        """Run the asynchronous continuations that are ready; False when there is none."""
        jobs = self._jobs(messages="true", withRetriesLeft="true")
        for job in jobs:
            self._execute(job["id"])
        return bool(jobs)

    def _jobs(self, **filters: str) -> list[dict[str, Any]]:
        session = self._engine.session
        return [job for each in self._instances() for job in session.get("/job", processInstanceId=each, **filters)]

    def _execute(self, job_id: str) -> None:
        try:
            self._engine.session.request("POST", f"{self._engine.session.base_url}/job/{job_id}/execute")
        except (NotFound, EngineUnavailable):
            # The engine itself is running the job, or the job failed, which shows in its retries.
            time.sleep(JOB_PAUSE_S)

    def _instances(self) -> set[str]:
        if not self._calls:
            return {self.instance_id}
        running = self._engine.session.get("/process-instance", rootProcessInstanceId=self.instance_id)
        return {self.instance_id, *(item["id"] for item in running)}

    def _conclude(self) -> None:
        if self._answer is None and self._is_running():
            incidents = [found for each in self._instances() for found in self._engine.incidents_of(each)]
            self.status = "incident" if incidents else "waiting"
            if incidents:
                texts = [found["incidentMessage"] for found in incidents if found["incidentMessage"]]
                text = texts[0] if texts else ""
                self.error = {"code": "INCIDENT", "type": "incident", "message": text, **self._failed_at(text)}
            return
        if self._answer is not None:
            self.status, document = self._answer
        else:
            is_good, document = end_of(self._engine, self._worker.diagram_of, self.instance_id)
            self.status = "ok" if is_good else "error"
        self.result, self.error = (document, None) if self.status == "ok" else (None, document)

    def _failed_at(self, message: str) -> dict[str, Any]:
        """Step, attempt and place of the newest attempt that failed with this message; empty if none did."""
        for event in reversed(self.events):
            # The engine keeps only the beginning of a long message.
            if event.phase == "failed" and message and event.response["message"].startswith(message):
                more = {name: value for name, value in event.response.items() if name in ("where", "errors")}
                return {"step": event.step, "attempt": event.attempt, **more}
        return {}

    def _record(
        self,
        step: StepDefinition,
        task: LockedTask,
        attempt: int,
        values: dict[str, Any],
        execution: Execution,
        phase: Phase,
    ) -> None:
        outcome = execution.outcome
        response: dict[str, Any]
        if isinstance(outcome, Failed):
            response = outcome.document
            if outcome.details:
                response["trace"] = outcome.details
        else:
            response = outcome.document
        # The first response step of this process gives the answer; one of a called process is an ordinary step.
        is_answer = step.outcome is not None and task.process_instance_id == self.instance_id
        if is_answer and phase == "completed" and self._answer is None:
            self._answer = (step.outcome or "ok", response)
        self.events.append(
            StepEvent(step.name, task.activity_id, phase, attempt, values, response, execution.http_status_code)
        )
