"""A process that waits for a message that is never sent."""

from __future__ import annotations

from camunda_bridge import define_process

process = define_process("never-ends")
