"""The store: process rows and the event log, on SQL Server in production and SQLite in development."""
