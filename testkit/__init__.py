"""Tests of whole processes: the BPMN file on a real engine, the handlers in the test's own process.

    def test_user_is_onboarded(run_process):
        run = run_process(process, process.example)
        assert run.status == "ok"
        assert "handle-error" not in run.path

Neither broker nor database nor web server takes part. A root `conftest.py` with ``pytest_plugins = ["testkit.plugin"]``
brings the fixtures; docs/guides/testing.md shows them.
"""

from testkit.run import ProcessRun, StepEvent

__all__ = ["ProcessRun", "StepEvent"]
