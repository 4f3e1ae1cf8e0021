"""Programs of others that use what this project publishes: `make test-clients` runs them.

Each gets an environment of its own below build/clients, with pinned versions from the package
registries, and a test fails where one cannot be installed. `make test` leaves this folder out: it
needs the registries, and minutes.
"""
