"""The warehouse side: the lake, the warehouse, and the generations published from them.

    PostgreSQL ──cycle──► lake ──fold──► warehouse ──publish──► generations/000123/analytics.duckdb
                (etl/)    Parquet,       private,                read-only, for everybody
                          immutable      one writer

One word per thing, the same everywhere:

* **source**: the messenger's PostgreSQL; it is only read.
* **mapping**: the SELECTs by which a messenger's own tables become ours; a table that a mapping or
  its source lacks is **not available**, which is never 0.
* **snapshot**: what one transaction at the source sees.
* **watermark**: the xid (xmin) from which the next cycle reads a table.
* **cycle**: one run: extract, fold, reconcile, publish, collect.
* **batch**: all rows that one cycle reads under one snapshot.
* **extract**: the reading of a batch into **staging**, DuckDB in memory.
* **coverage**: the UTC days that are kept.
* **backfill chunk**: the rows of one block range of an unfinished backfill.
* **lake**: immutable Parquet files: a day file per fact and UTC day, a file per dimension.
* **fold**: a staged batch becomes new day files and one warehouse commit.
* **warehouse**: dimensions, keyed facts, rollups and the **ledger**, in one private DuckDB file.
* **manifest**: the ledger as one JSON record.
* **generation**: a published, numbered, read-only copy of the warehouse with the metrics.
* **spare**: the file of a removed generation, which the next one may be written into.
* **fact**, **dimension**, **rollup**: what happens, who or what it concerns, counts by day.
* **key**: the integer for an id; a **placeholder** is a dimension row that has nothing else.
* **metric**: one versioned table macro of `sql/metrics`, which uses those of `sql/macros`.
* **proof**: whole days, read again and compared with the lake row by row.
* **reconcile**: read again what differs from the source, and replace it (a **repair**).
* **data_through**: the source's clock at the snapshot: *as seen at*, not *complete to*.

`olap` imports neither `etl` nor `api`, and these two do not import each other. They meet in the
data: a new generation is all that the API notices.

Read in this order: `tables`, `ids`, `mapping`, `manifest`, `extract`, `lake`, `fold`, `warehouse`,
`ledger`, `publish` (with `generation_file`, `collection` and `damage`); then `catalog` (what the
numbers mean), `proofs` (are they right?), `recovery` (what happens when a file is damaged) and
`backfill_chunks`.
"""
