"""The engine's REST API, one module a resource."""
