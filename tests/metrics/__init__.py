"""Tests of the metrics: `sql/metrics` returns what the requirement asks for.

`oracle` (Python) and `postgres_queries` (SQL) are written from the requirement alone: they import
nothing from `olap` and read no file of `sql/`.
"""
