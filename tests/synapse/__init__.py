"""`make synapse`: the mapping `synapse` against a real Synapse that is used while cycles run.

* `server` installs Synapse, and runs it on a database of the sandbox's PostgreSQL;
* `client` makes the calls of its HTTP API;
* `driver` uses the messenger as people do, one random action after the other;
* `expectations` is what the driver did, as the analytics should tell it;
* `comparison` compares a published generation with it, row by row;
* `trial` runs servers, driver, cycles and proofs together.

No statement of the mapping is used to say what is right: the expectations come only from what was
asked of the API and from its answers. `__main__` prints the report.
"""
