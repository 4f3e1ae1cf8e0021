"""The lake as Delta tables, for engines that read these: no byte of a file is copied.

Each table of the lake has a log beside its files, `lake/<table>/_delta_log`, one for every table of
`olap.tables`, whether the source has it or not. After a generation is published, one commit per
changed table makes its newest version the files of that generation's manifest; then the versions of
all tables are written into this manifest (`Manifest.delta`). Commits are per table, so a reader of
newest versions may meet two generations; one who takes the manifest's versions reads one cut.

A publication compares files: what is in the log and not in the manifest is removed, the rest is
added. So it can be repeated after any crash, and a lake that was restored or rebuilt, or whose
format was switched off for a while, needs no other way. Each commit has the application
transaction (`messenger-analytics`, generation); a table that already has the manifest's files
gets no commit.

Nothing of people is in a log: paths, days, sizes, times, and the number of rows as the only
statistics. Data files are removed by `olap.collection` alone, which also removes entries of the log
that no kept generation needs (`olap.delta.upkeep`).

`publishing` publishes a generation, `table_log` writes the log of one table.
"""
