"""Element templates: how the Camunda Modeler offers a step to people who draw diagrams."""

from __future__ import annotations

from camunda_bridge.element_templates.template import Json, template_of

__all__ = ["Json", "template_of"]
