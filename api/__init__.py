"""The API: answers questions from published generations, over HTTP.

    request ─► identity ─► limits ─► front ─────► routes ─► desk ───────► cache ─► runner ─► DuckDB
               who asks?             in memory?   what?     for whom,     Redis?   a macro of
                                                            of which               the file
                                                            generation?

The laws:

* An answer is a pure function of *(generation, metrics and versions, parameters, scope)*. The key
  of the cache says exactly these, so there is nothing to invalidate: a new generation is new keys.
* Who may see what is decided in the metric's SQL (`visible_to`), and no controller filters rows.
* Nothing it depends on may take it down: without Redis it computes, without PostgreSQL it serves
  the last generation and says how old it is.
* Every error is a problem document (RFC 9457) that says what to do.

`api` imports `olap` and never `etl`. Read in this order: `app`, `desk`, `questions`, `recipes`,
`generations`, `cache`, `shared`, `front`; then `identity`, `keys`, `limits`, and `routes`.
"""
