"""Which deployment this is: under which names it keeps things in Redis.

With `REDIS_PREFIX` that is known from the start, else from the first generation that this process
opens, whose manifest names the source. Before that the limits are counted in the process alone, and
the recent events wait in memory.
"""

from __future__ import annotations

from olap.manifest import SourceIdentity
from olap.redis_keys import RedisKeys
from olap.settings import Settings


class Deployment:
    """The names of this deployment.

    Attributes:
        keys: None while they are not known.
    """

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.redis_prefix
        self.keys = None if self._prefix is None else RedisKeys(self._prefix)

    def keys_of(self, source: SourceIdentity) -> RedisKeys:
        """The names of this deployment if it reads this source."""
        return RedisKeys.of(self._prefix, source)

    def reads(self, source: SourceIdentity) -> None:
        """Note which source it reads."""
        self.keys = self.keys_of(source)
