"""What the engine's history says of one instance."""
