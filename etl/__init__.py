"""The ETL: from the messenger's PostgreSQL to a published generation, every few minutes.

A cycle, in order (`cycle.run_cycle`):

1. take the lock of the `DATA_DIR`, and remove what an earlier crash left unreferenced;
2. read every row that may have changed, under one snapshot, into staging (`extract`); end the
   transaction;
3. write the new files of the days that changed (`olap.fold`);
4. commit dimensions, facts, rollups, ledger and watermarks in one warehouse transaction;
5. read again what does not match the source's counts (`reconcile`);
6. publish a generation if anything changed, and collect what no kept generation references.

`source` reads PostgreSQL by the statements of `forms`, `watchdog` gives it time limits, and
`source_errors` says what to do when it fails. `relations` judges the tables that are read; `guards`
decides whether this is the database of the last cycle and which tables must be read whole.
`backfill` reads a large messenger in chunks and ends with a cycle; `verify` and `erase` use the
same parts.
`check` tries a mapping before anything is copied, and `role` writes the SQL of a role for it;
`sandbox` is a messenger to try all this on. `api` does not import `etl`, and `etl` does not import
`api`.
"""
