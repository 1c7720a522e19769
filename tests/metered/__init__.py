"""Processes of the tests of metrics and Flower: on topics that no other stack of a test run polls."""
