"""The test kit: tests of whole processes, with the BPMN file on a real engine and the handlers inside the test.

    def test_user_is_onboarded(run_process):
        run = run_process(process, process.example)
        assert run.status == "ok"
        assert "handle-error" not in run.path

Such a test needs no broker, database or web server. To get the fixtures, write ``pytest_plugins = ["testkit.plugin"]``
into the root `conftest.py`; docs/guides/testing.md describes them.
"""

from testkit.run import ProcessRun, StepEvent

__all__ = ["ProcessRun", "StepEvent"]
