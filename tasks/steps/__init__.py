"""The attempt of one step."""
