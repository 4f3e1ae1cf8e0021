"""Proofs that engines answer as DuckDB does."""
