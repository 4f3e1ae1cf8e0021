"""Proofs of the metrics: what `sql/metrics` answers is what the requirement asks for.

`oracle.py` and `test_against_postgres.py` read the requirement on their own: they import nothing
from `olap` and read no file of `sql/`.
"""
