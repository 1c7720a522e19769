"""One folder a process: its BPMN file, its schemas, its steps."""
