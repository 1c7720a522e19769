"""`bench-hold` has no handler: its task waits until `POST /api/process/complete` ends the process."""

from camunda_bridge import define_process

process = define_process("bench-hold", process_name="One step that nobody runs")
