"""The store: process rows and audit events, on SQL Server in production and SQLite in development."""
