"""The description of the API: OpenAPI, JSON Schema, Swagger UI."""
