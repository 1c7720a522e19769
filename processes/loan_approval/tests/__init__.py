"""Tests of the whole process, on a real engine."""
