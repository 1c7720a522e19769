"""Onboard a user: check who it is, ask two partner services, tell the result."""
