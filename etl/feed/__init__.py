"""Feeds: the keys of the source rows that changed since the last batch.

A cycle must find every row that changed. Without help from the source it scans each table for row
versions at or after the watermark (*scan* mode), which takes time in proportion to the history. A
feed tells the keys instead, and the rows are then looked up under the batch's own snapshot:

* *slot* mode: a logical replication slot, whose publication has the columns of the keys only, so
  that no text enters the stream (`etl.feed.slot`);
* *log* mode: a table that triggers write keys into, where slots are forbidden (`etl.feed.log`).

All modes share the snapshot, the watermark and the fold. The watermark is recorded in every mode,
so that any cycle can be a scan: whenever a feed is not sound, this one is, and the reason is
logged and shown by `status`.
"""
