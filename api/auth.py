"""Authentication: from a bearer token to a `Principal`, and the keys that verify tokens.

A token must have `sub` (a string), `exp`, `iat` and `role`, and the `aud` and `iss` that
`JWT_AUDIENCE` and `JWT_ISSUER` demand. The roles:

* `admin` sees the whole site;
* `member` sees what the user whose id is the subject may see;
* `service` sees nothing and may post events.

Keys are a shared secret (HS256), one public key, or a file with a set of public keys, which is read
again when it changes. A key belongs to exactly one algorithm, and a token is only checked with keys
of the algorithm that its header names. So an HS256 token signed with the *text* of the public key
finds no key, and neither does `alg: none`.

Litestar's `Token` checks claims and signature. Its authentication middleware is not used: it has
one fixed key, verifies the signature of every request again (half the throughput of a cached
answer), accepts any scheme in place of `Bearer`, and does not say why it refuses a token.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.security.jwt import Token
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from olap.errors import SettingsError
from olap.ids import Id, IdType, parse_id
from olap.log import get_logger
from olap.mapping import read_mapping
from olap.settings import Settings

log = get_logger(__name__)

# A handler with this in its `opt` needs no token.
PUBLIC = "public"

_CACHED_TOKENS_MAX = 4096
_TOKEN_LENGTH_MAX = 8192
_KEY_CHECK_SECONDS = 1.0
_SECRET_BYTES_MIN = 32  # the length of HS256's digest, which RFC 7518 demands
_RSA_BITS_MIN = 2048


class Role(StrEnum):
    """What a principal may do."""

    ADMIN = "admin"
    MEMBER = "member"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request, from a verified token.

    Attributes:
        subject: the token's `sub`; for a member the id of a user, in its canonical form.
        role: what they may do.
        expires_at: when the token expires, in seconds since 1970.
        viewer: the user whose view applies, in the id's own type; None sees the whole site.
    """

    subject: str
    role: Role
    expires_at: float = inf
    viewer: Id | None = None


class Verifier:
    """Turns the header `Authorization` into a principal; caches verified tokens until they expire.

    The cache is bounded, holds no refused token, and is emptied when the keys change. Not
    thread-safe.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        user_ids: IdType,
        audience: str | None = None,
        issuer: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._user_ids = user_ids
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._verified: dict[str, Principal] = {}
        self._next_key_check = 0.0

    @classmethod
    def from_settings(cls, settings: Settings) -> Verifier:
        """The verifier for these settings.

        Raises:
            SettingsError: no key is set, or a key cannot be used.
            MappingError: the mapping, which tells the type of a user's id, cannot be used.
        """
        return cls(
            Keys.from_settings(settings),
            user_ids=read_mapping(settings.source_mapping).ids.user,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
        )

    def principal(self, authorization: str | None) -> Principal:
        """The principal of this header.

        Raises:
            NotAuthorizedException: 401; it gives the reason and never quotes the token.
        """
        now = self._clock()
        if now >= self._next_key_check:
            self._next_key_check = now + _KEY_CHECK_SECONDS
            if self._keys.refresh():
                self._verified.clear()
        if authorization is None:
            raise NotAuthorizedException(
                "Send a token in the header `Authorization: Bearer <token>`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        principal = self._verified.get(authorization)
        if principal is not None and principal.expires_at > now:
            return principal
        self._verified.pop(authorization, None)
        principal = self._verify(authorization)
        if len(self._verified) >= _CACHED_TOKENS_MAX:
            self._evict(now)
        self._verified[authorization] = principal
        return principal

    def _verify(self, authorization: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _refusal("the header does not begin with `Bearer`")
        if len(token) > _TOKEN_LENGTH_MAX:
            raise _refusal(f"the token is longer than {_TOKEN_LENGTH_MAX} characters")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refusal("the token is not a JSON Web Token") from None
        candidates = self._keys.candidates(str(header.get("alg")), header.get("kid"))
        if not candidates:
            raise _refusal("no key here verifies a token with this `alg` and `kid`")
        for key in candidates:
            try:
                return _principal_of(self._decode(token, key), self._user_ids)
            except NotAuthorizedException as error:
                refusal = error
                if not isinstance(error.__cause__, jwt.InvalidSignatureError):
                    break
        raise _explained(refusal) from None

    def _decode(self, token: str, key: Key) -> Token:
        return _Claims.decode(
            token,
            secret=key.material,
            algorithm=key.algorithm,
            audience=self._audience,
            issuer=self._issuer,
            require_claims=("exp", "iat", "sub"),
        )

    def _evict(self, now: float) -> None:
        """Drop the expired tokens, then the older half of the others."""
        valid = [item for item in self._verified.items() if item[1].expires_at > now]
        self._verified = dict(valid[-_CACHED_TOKENS_MAX // 2 :])


class _Claims(Token):
    """Litestar's `Token` without its claim `extras`.

    Litestar merges the members of that claim into the token's own: a second way to set `role`.
    """

    @classmethod
    def decode_payload(cls, *arguments: Any, **options: Any) -> Any:
        """Verify the token and return its claims."""
        payload = super().decode_payload(*arguments, **options)
        payload.pop("extras", None)
        return payload


def _principal_of(token: Token, user_ids: IdType) -> Principal:
    try:
        role = Role(str(token.extras.get("role")))
    except ValueError:
        raise _refusal(f"the token's `role` is none of {', '.join(Role)}") from None
    expires_at = token.exp.timestamp()
    if role is not Role.MEMBER:
        return Principal(token.sub, role, expires_at)
    try:
        viewer = parse_id(user_ids, token.sub)
    except ValueError as error:
        raise _refusal(f"the token's `sub` is not the id of a user: it {error}") from None
    return Principal(str(viewer), role, expires_at, viewer)


# PyJWT's errors in words for the person who issued the token.
_REASONS: dict[type, str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet (`nbf` or `iat` is in the future)",
    jwt.InvalidSignatureError: "the signature does not match any key here",
    jwt.InvalidAudienceError: "the token is for another audience (`aud`)",
    jwt.InvalidIssuerError: "the token is from another issuer (`iss`)",
}


def _explained(error: NotAuthorizedException) -> NotAuthorizedException:
    """Litestar's refusal with the reason, which Litestar leaves out."""
    if error.__cause__ is None and error.headers:
        return error
    cause = error.__cause__
    if isinstance(cause, jwt.MissingRequiredClaimError):
        return _refusal(f"the token lacks `{cause.claim}`")
    return _refusal(_REASONS.get(type(cause), "the token's claims cannot be used"))


def _refusal(reason: str) -> NotAuthorizedException:
    """401 with the challenge of RFC 6750; `reason` is our own text and has no quotes in it."""
    challenge = f'Bearer error="invalid_token", error_description="{reason.replace("`", "")}"'
    return NotAuthorizedException(
        f"{reason[0].upper()}{reason[1:]}.", headers={"WWW-Authenticate": challenge}
    )


class AuthenticationMiddleware(ASGIMiddleware):
    """Puts the principal into `scope["user"]`; a request without a valid token gets 401."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = PUBLIC

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Verify the token and continue."""
        if scope.get("method") != "OPTIONS":  # a browser's preflight request has no token
            scope["user"] = self._verifier.principal(authorization_of(scope))
            scope["auth"] = None
        await next_app(scope, receive, send)


def authorization_of(scope: Scope) -> str | None:
    """The header `Authorization` of a request; None also if it is sent twice."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else None


def require_role(principal: Principal, *roles: Role) -> None:
    """Require one of these roles.

    Raises:
        PermissionDeniedException: 403.
    """
    if principal.role not in roles:
        raise PermissionDeniedException(f"This is for the roles {', '.join(roles)} only.")


def only_for(*roles: Role) -> Guard:
    """A guard for handlers: other roles get 403."""

    # Litestar runs a guard that is not `async` in a thread.
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        require_role(connection.scope["user"], *roles)

    return guard


def make_token(
    settings: Settings, *, subject: str, role: Role, lifetime: timedelta, now: datetime
) -> str:
    """A token signed with `JWT_SECRET`, as `python -m api token` prints it.

    Args:
        now: the time of issue, aware.

    Raises:
        SettingsError: `JWT_SECRET` is not set, or a member's subject is not the id of a user.
        MappingError: the mapping, which tells the type of a user's id, cannot be used.
    """
    if settings.jwt_secret is None:
        raise SettingsError(
            "JWT_SECRET is not set, so no token can be signed here",
            hint="Set it, or get a token from the issuer of JWT_PUBLIC_KEY or JWT_JWKS_FILE.",
        )
    Keys.from_settings(settings)
    if role is Role.MEMBER:
        try:
            subject = str(parse_id(read_mapping(settings.source_mapping).ids.user, subject))
        except ValueError as error:
            raise SettingsError(
                f"the subject {subject!r} is not the id of a user: it {error}",
                hint="A member's subject is the id of a user of the messenger.",
            ) from None
    claims = {"sub": subject, "role": role.value, "iat": now, "exp": now + lifetime}
    if settings.jwt_audience is not None:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer is not None:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, settings.jwt_secret.reveal(), algorithm="HS256")


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

        A file that cannot be used (half written, missing) leaves the keys as they are.
        """
        version = self._file_version()
        if self._file is None or version == self._version:
            return False
        self._version = version
        try:
            self._from_file = _read_jwks(self._file)
        except SettingsError as error:
            log.error("keys.not_read", reason=error.message, hint=error.hint)
            return False
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
