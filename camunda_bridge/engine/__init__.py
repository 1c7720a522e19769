"""The engine's REST API; one module for each resource."""
