"""A process without any external task."""

from __future__ import annotations

from camunda_bridge import define_process

process = define_process("stepless")
