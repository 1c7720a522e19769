"""The processes of this installation, loaded once a process of the operating system."""

from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry
from settings import get_settings
from tasks.runtime import runtime

registry = load_processes(get_settings().processes, Registry(DeployedDiagrams(lambda: runtime().engine)))
