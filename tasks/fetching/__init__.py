"""How tasks are fetched from the engine and become step messages."""
