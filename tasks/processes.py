"""The processes of this installation, loaded once a process of the operating system."""

from camunda_bridge.registry import load_processes
from settings import get_settings

registry = load_processes(get_settings().processes)
