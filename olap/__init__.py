"""The warehouse side: the lake, the warehouse and the generations made from them.

    PostgreSQL ──cycle──► lake ──fold──► warehouse ──publish──► generations/analytics-000123.duckdb
                (etl/)    Parquet,       private,                read-only, for everybody
                          immutable      one writer

The words, everywhere the same:

* **batch**: all rows one cycle read, under one snapshot, so a consistent cut across all tables.
* **lake**: immutable Parquet files, one per fact and UTC day, and one per dimension and change.
* **warehouse**: dimensions, keyed facts, rollups and the ledger in one private DuckDB file.
* **generation**: a published, numbered, read-only copy of the warehouse with its views.
* **watermark**: the xid from which the next cycle reads on.
* **data_through**: the source's clock at the snapshot; *as seen at*, not *complete to*.

`olap` imports neither `etl` nor `api`; these two never import each other. They meet in the data:
a new generation is all that the API has to notice.

Read in this order: `tables`, `manifest`, `lake`, `fold`, `warehouse`, `ledger`, `publish`; then
`catalog` (what the numbers mean), `proofs` and `agreement` (are they right?), `damage`,
`recovery` and `heal` (when a file is not what it was), `chunks` (an unfinished backfill).
"""
