"""Onboard a user: validate the data, call two partner services, and return the result."""
