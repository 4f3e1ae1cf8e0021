"""The sandbox: a messenger to try the analytics on.

* servers: `postgres` and `valkey` run servers from Python packages (`packages`), shared between
  processes (`shared_server`) and reached through Unix sockets (`sockets`);
* generated history: `traffic` puts together `population` (users, conversations, members),
  `messages`, `read_receipts` and `events`, with random values of `rng` and texts of `texts`;
* real chats: `chitchat`;
* `load` writes either of them into PostgreSQL, in the format of `pgcopy`;
* live traffic: `live` runs the `actions` of each second, in an `action_context`;
* `messenger` is what a cycle reads without `DATABASE_URL`; `demo` adds live traffic and the API.

Only the command line, the tests and the bench use this package, and the product does not need its
dependencies.
"""
