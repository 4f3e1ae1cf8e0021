"""The names of everything that one deployment keeps in Redis.

A Redis may serve several deployments. Every name begins with the deployment's prefix, so none reads
another one's answers, counts its requests, moves its events or erases its data.

The prefix is `REDIS_PREFIX`, or is derived from the identity of the source: the same for all
processes of a deployment, whatever host they run on. The timeline is no part of it, because a
failover of PostgreSQL changes it, and the events that waited meanwhile would be under another name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from olap.manifest import SourceIdentity

# The queue of versions before 0.2, which names no deployment.
UNNAMED_WAITING = "analytics-events:waiting"


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The names below one prefix, which contains neither `:` nor characters of a pattern."""

    prefix: str

    @classmethod
    def of(cls, prefix: str | None, source: SourceIdentity) -> RedisKeys:
        """The names of a deployment that reads `source`; `prefix` is `REDIS_PREFIX`, if set."""
        if prefix is not None:
            return cls(prefix)
        identity = f"{source.system_identifier} {source.database}"
        digest = hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()
        return cls(f"analytics-{digest}")

    @property
    def answers(self) -> str:
        """The beginning of the keys of cached answers, and of the marks that one is computed."""
        return f"{self.prefix}:answers:"

    @property
    def limits(self) -> str:
        """The beginning of the keys of counters.

        What is in braces chooses the node of a cluster: one command counts many keys.
        """
        return f"{self.prefix}:{{limits}}:"

    @property
    def recent_events(self) -> str:
        """The stream of the events that administrators see."""
        return f"{self.prefix}:recent-events"

    @property
    def waiting_events(self) -> str:
        """The stream of the events that wait for PostgreSQL."""
        return f"{self.prefix}:events:waiting"

    @property
    def refused_events(self) -> str:
        """The stream of the events that PostgreSQL refused."""
        return f"{self.prefix}:events:refused"

    @property
    def erasable(self) -> tuple[str, ...]:
        """Patterns of all that may name a person and may be lost; waiting events may not be."""
        return f"{self.answers}*", f"{self.limits}*", self.recent_events
