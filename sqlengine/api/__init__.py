"""The embedded Python API: Database, DB-API 2.0 connections and cursors, relations, subscriptions."""
