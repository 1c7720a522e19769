"""Reads BPMN files: one model of a diagram for workers, deployment, checks, monitor and tests.

diagram = read_diagram(Path("order.bpmn").read_bytes(), "order")
diagram.topics  # {"charge": "order.charge"}
"""

from camunda_bridge.bpmn.diagram import Diagram, process_ids, read_diagram
from camunda_bridge.bpmn.error_events import NEVER
from camunda_bridge.bpmn.node import Node, extensions
from camunda_bridge.bpmn.sequence_flows import Flow
from camunda_bridge.bpmn.xml import BPMN, ENGINES, parse_xml

__all__ = [
    "BPMN",
    "ENGINES",
    "NEVER",
    "Diagram",
    "Flow",
    "Node",
    "extensions",
    "parse_xml",
    "process_ids",
    "read_diagram",
]
