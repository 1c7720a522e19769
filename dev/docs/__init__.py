"""What builds the documentation beside MkDocs."""
