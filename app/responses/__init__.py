"""The answers of the API: JSON, problems, links and cursors."""
