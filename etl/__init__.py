"""The ETL: from the messenger's PostgreSQL to a published generation, again and again.

A cycle, in order (`cycle.run_cycle`):

1. take the lock of the `DATA_DIR`, drop what an earlier crash left unreferenced;
2. read every row that may have changed, under one snapshot, into staging; end the transaction;
3. write the new files of the days that changed (`olap.fold`);
4. commit dimensions, facts, rollups, ledger and watermarks in one warehouse transaction;
5. publish a generation, when there is something to show;
6. collect what no kept generation names.

`source` knows PostgreSQL, `watchdog` gives it time limits, `guards` decides whether it is
still the same one and which tables must be read whole. `backfill` reads a large messenger in chunks
and ends with a cycle; `verify` and `erase` are made of the same parts; `sandbox` is a messenger of
our own to try all this on. Nothing here is imported by `api`, and nothing here imports it.
"""
