"""The processes of this installation, loaded once a process of the operating system."""

from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry
from settings import get_settings
from tasks.runtime import runtime

#: stands in metrics for the processes that are not declared here, whose keys have no limit
OTHER = "other"

registry = load_processes(get_settings().processes, Registry(DeployedDiagrams(lambda: runtime().engine)))


def metric_label(process_key: str) -> str:
    """The label of a process in metrics."""
    return process_key if process_key in registry.processes else OTHER
