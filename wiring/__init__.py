"""Composition: settings, clients and telemetry, put together once for workers and starters."""
