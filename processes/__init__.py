"""The example processes; the folder of each holds its BPMN file, schemas and steps."""
