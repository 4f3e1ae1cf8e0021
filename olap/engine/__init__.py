"""The same metrics on an engine that spans machines: Spark, or Sail, through Spark Connect.

The one definition of a metric stays its DuckDB file. `expand` replaces the macros that it calls by
what they stand for, `dialect` writes the result as Spark SQL, and `generate` keeps these texts in
`sql/spark`, so that nothing is translated at run time.
"""
