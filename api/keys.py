"""The keys that verify tokens: a shared secret (HS256), one public key, or a file of several.

A key belongs to exactly one algorithm, and a token is only checked with keys of the algorithm that
its header names. So an HS256 token signed with the *text* of the public key finds no key, and
neither does `alg: none`.

The file is read again when it changes, and decides alone: what it does not contain verifies
nothing. A file that is removed, emptied or cannot be read has no keys, and every token that they
signed is refused within a second, because removing the file is the quickest way to revoke a key
that was stolen. To rotate keys, write a new file and rename it over the old one: a file
that is half written is a set without keys until it is complete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from olap.errors import SettingsError
from olap.log import get_logger
from olap.settings import Settings

log = get_logger(__name__)

_SECRET_BYTES_MIN = 32  # the length of HS256's digest, which RFC 7518 demands
_RSA_BITS_MIN = 2048


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key, its one algorithm, and its name (`kid`) if it has one."""

    algorithm: str
    material: Any
    kid: str | None = None


class Keys:
    """The keys in use; a key set in a file is read again when the file changes."""

    def __init__(self, fixed: tuple[Key, ...], jwks_file: Path | None = None) -> None:
        """Read the file as well.

        Raises:
            SettingsError: the file has no usable key.
        """
        self._fixed = fixed
        self._file = jwks_file
        self._version = self._file_version()
        self._from_file = () if jwks_file is None else _read_jwks(jwks_file)

    @classmethod
    def from_settings(cls, settings: Settings) -> Keys:
        """The keys that the settings name.

        Raises:
            SettingsError: they name no key, or one that cannot be used.
        """
        fixed = []
        if settings.jwt_secret is not None:
            fixed.append(_secret_key(settings.jwt_secret.reveal()))
        if settings.jwt_public_key is not None:
            fixed.append(_public_key(settings.jwt_public_key))
        if not fixed and settings.jwt_jwks_file is None:
            raise SettingsError(
                "no key is set that could verify a token",
                hint="Set JWT_SECRET (32 bytes or more), JWT_PUBLIC_KEY or JWT_JWKS_FILE.",
            )
        return cls(tuple(fixed), settings.jwt_jwks_file)

    def candidates(self, algorithm: str, kid: str | None) -> list[Key]:
        """The keys that may have signed a token with this header, the most likely first.

        A key without a name is a candidate for every token, and a token without a name is tried
        with every key.
        """
        return [
            key
            for key in (*self._from_file, *self._fixed)
            if key.algorithm == algorithm and (kid is None or key.kid is None or key.kid == kid)
        ]

    def refresh(self) -> bool:
        """Read the file if it has changed; returns whether the keys have.

        A file that cannot be used (missing, empty, half written) has no keys.
        """
        version = self._file_version()
        if self._file is None or version == self._version:
            return False
        self._version = version
        try:
            self._from_file = _read_jwks(self._file)
        except SettingsError as error:
            self._from_file = ()
            log.error("keys.revoked", reason=error.message, hint=error.hint)
        else:
            log.info("keys.read", keys=[key.kid for key in self._from_file])
        return True

    def _file_version(self) -> tuple[int, int, int] | None:
        """What distinguishes one version of the file from another; None without a file."""
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _secret_key(secret: str) -> Key:
    if len(secret.encode()) < _SECRET_BYTES_MIN:
        raise SettingsError(
            f"JWT_SECRET is shorter than {_SECRET_BYTES_MIN} bytes",
            hint="Generate one with `openssl rand -base64 48`.",
        )
    return Key("HS256", secret.encode())


def _public_key(given: str) -> Key:
    """The key of a PEM text (`\\n` may be written out: many tools cannot pass lines)."""
    hint = "Give a PEM text that begins with -----BEGIN PUBLIC KEY-----, or the path of its file."
    text = given.replace("\\n", "\n")
    if "-----BEGIN" not in text:
        try:
            text = Path(given).read_text()
        except (OSError, ValueError):
            raise SettingsError(
                "JWT_PUBLIC_KEY is neither a PEM text nor a readable file", hint=hint
            ) from None
    try:
        found = load_pem_public_key(text.encode())
    except Exception:
        # The text may be a private key by mistake, so nothing of it or of the error is shown.
        raise SettingsError("JWT_PUBLIC_KEY contains no public key", hint=hint) from None
    algorithm = _algorithm_of(found)
    if algorithm is None:
        raise SettingsError(
            "JWT_PUBLIC_KEY is of an unsupported kind",
            hint=f"Use RSA with {_RSA_BITS_MIN} bits or more, EC on P-256, or Ed25519.",
        )
    return Key(algorithm, found)


def _algorithm_of(material: object) -> str | None:
    match material:
        case RSAPublicKey() if material.key_size >= _RSA_BITS_MIN:
            return "RS256"
        case EllipticCurvePublicKey() if isinstance(material.curve, SECP256R1):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    return None


def _read_jwks(path: Path) -> tuple[Key, ...]:
    """The keys of a set that verify signatures; keys of other kinds and uses are skipped."""
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise SettingsError(
            f"JWT_JWKS_FILE={str(path)!r} is not a JSON Web Key Set: {error}",
            hint='Its form is {"keys": [{"kty": "RSA", "kid": "…", "n": "…", "e": "AQAB"}]}.',
        ) from None
    keys = tuple(
        Key(key.algorithm_name, key.key, key.key_id)
        for key in found
        if key.public_key_use in (None, "sig") and key.algorithm_name == _algorithm_of(key.key)
    )
    if not keys:
        raise SettingsError(
            f"JWT_JWKS_FILE={str(path)!r} has no key for RS256, ES256 or EdDSA",
            hint="It must contain public keys: RSA, EC on P-256, or OKP with Ed25519.",
        )
    return keys
