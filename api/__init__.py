"""The API: reads published generations, and nothing else; it is not built yet.

It will import `olap` and never `etl`. The two meet in the data: a new generation is all that the
API has to notice.
"""
