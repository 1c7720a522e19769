"""How an instance is started."""
