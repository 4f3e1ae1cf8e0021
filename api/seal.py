"""Seals what is kept in Redis, so that others who write there cannot make the API answer with it.

A seal is a keyed digest (HMAC-SHA256) of the name and the bytes. Its key is derived from
`CACHE_SECRET`, or from `JWT_SECRET` where that is not set, for this purpose alone (HKDF). What is
sealed with another secret, under another name, or not at all, counts as absent. So after a change
of the secret everything is computed again.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from olap.errors import SettingsError
from olap.settings import Settings

_SECRET_BYTES_MIN = 32
_BYTES = 32


class Seal:
    """Seals bytes for one purpose, and opens what it has sealed."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        """Two purposes have different keys.

        Args:
            secret: at least 32 bytes that only the processes of the deployment know.
        """
        info = b"messenger-analytics 1 " + purpose.encode()
        self._key = HKDF(SHA256(), _BYTES, salt=None, info=info).derive(secret)

    def close(self, name: str, content: bytes) -> bytes:
        """The content with its seal."""
        return self._digest(name, content) + content

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The content, if it was sealed here under this name."""
        seal, content = sealed[:_BYTES], sealed[_BYTES:]
        return content if hmac.compare_digest(seal, self._digest(name, content)) else None

    def _digest(self, name: str, content: bytes) -> bytes:
        named = name.encode()
        # The length separates the name from the content.
        return hmac.digest(self._key, len(named).to_bytes(8) + named + content, "sha256")


def secret_of(settings: Settings) -> bytes | None:
    """The secret from which seals derive their keys; None if there is none.

    Raises:
        SettingsError: `CACHE_SECRET` is too short.
    """
    given = settings.cache_secret or settings.jwt_secret
    if given is None:
        return None
    secret = given.reveal().encode()
    if settings.cache_secret is not None and len(secret) < _SECRET_BYTES_MIN:
        raise SettingsError(
            f"CACHE_SECRET is shorter than {_SECRET_BYTES_MIN} bytes",
            hint="Generate one with `openssl rand -base64 48`.",
        )
    return secret
