"""Authentication: from a bearer token to a `Principal`.

A token must have `sub` (a string), `exp`, `iat` and `role`, and the `aud` and `iss` that
`JWT_AUDIENCE` and `JWT_ISSUER` demand. The roles:

* `admin` sees the whole site;
* `member` sees what the user whose id is the subject may see;
* `service` sees nothing and may post events.

The clock of the issuer may be `_LEEWAY_SECONDS` ahead of ours: `iat` and `nbf` may be that far in
the future. `exp` has no leeway: an issuer whose clock is behind can add to it, and one that revokes
by short lifetimes relies on it.

Neither Litestar's authentication middleware nor its `Token` is used. The middleware has one fixed
key, verifies the signature of every request again (half the throughput of a cached answer), accepts
any scheme in place of `Bearer`, and does not say why it refuses a token. `Token` refuses an `iat`
that is a second ahead, and takes a second `role` from the claim `extras`.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from typing import Any

import jwt
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.types import ASGIApp, Receive, Scope, Send

from api.bounded import Bounded
from api.keys import Key, Keys
from olap.errors import SettingsError
from olap.ids import Id, IdType, parse_id
from olap.mapping import read_mapping
from olap.settings import Settings

# A handler with this in its `opt` needs no token.
PUBLIC = "public"

_TOKEN_LENGTH_MAX = 8192
_SUBJECT_LENGTH_MAX = 255
_CACHED_BYTES_MAX = 4_000_000  # some 4,000 tokens of the usual length
_KEY_CHECK_SECONDS = 1.0
_ACCOUNT_BYTES_MAX = 128
_LEEWAY_SECONDS = 30
_LATEST = 253_402_300_800  # the year 10000


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
        account: role and subject as one short text, to which requests are charged.
    """

    subject: str
    role: Role
    expires_at: float = inf
    viewer: Id | None = None
    account: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Half of a surrogate pair, which JSON can spell, has no bytes that Redis could keep.
        subject = self.subject.encode(errors="replace")
        if len(subject) > _ACCOUNT_BYTES_MAX:
            subject = hashlib.blake2b(subject, digest_size=16).hexdigest().encode()
        object.__setattr__(self, "account", f"{self.role}:{subject.decode()}")


class Verifier:
    """Turns the header `Authorization` into a principal; caches verified tokens until they expire.

    The cache is bounded in bytes, holds no refused token, and is emptied when the keys change. Not
    thread-safe.

    Attributes:
        keys_version: how often the keys have changed.
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
        self._verified: Bounded[str, Principal] = Bounded(_CACHED_BYTES_MAX, _weight)
        self._next_key_check = 0.0
        self.keys_version = 0

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
            self.check_keys()
        if authorization is None:
            raise NotAuthorizedException(
                "Send a token in the header `Authorization: Bearer <token>`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        principal = self._verified.get(authorization)
        if principal is not None and principal.expires_at > now:
            return principal
        self._verified.drop(authorization)
        principal = self._verify(authorization)
        self._verified.put(authorization, principal)
        return principal

    def check_keys(self) -> None:
        """Read the keys again if their file has changed."""
        self._next_key_check = self._clock() + _KEY_CHECK_SECONDS
        if self._keys.refresh():
            self._verified.clear()
            self.keys_version += 1

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
                return self._principal_of(self._decode(token, key))
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise _refusal(_reason(error)) from None
        raise _refusal("the signature does not match any key here")

    def _decode(self, token: str, key: Key) -> dict[str, Any]:
        """The claims of a token that this key has signed.

        Raises:
            jwt.InvalidTokenError: it has not, or a claim is missing or wrong.
        """
        claims: dict[str, Any] = jwt.decode(
            token,
            key.material,
            algorithms=[key.algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub"], "verify_aud": self._audience is not None},
        )
        return claims

    def _principal_of(self, claims: dict[str, Any]) -> Principal:
        expires_at = claims["exp"]
        # PyJWT reads texts as numbers. What is far away is mostly given in milliseconds.
        if isinstance(expires_at, str) or expires_at > _LATEST:
            raise _refusal(_NOT_A_TIME.format("exp"))
        if expires_at <= self._clock():
            raise jwt.ExpiredSignatureError
        try:
            role = Role(str(claims.get("role")))
        except ValueError:
            raise _refusal(f"the token's `role` is none of {', '.join(Role)}") from None
        subject: str = claims["sub"]
        if len(subject) > _SUBJECT_LENGTH_MAX:
            raise _refusal(f"the token's `sub` is longer than {_SUBJECT_LENGTH_MAX} characters")
        if role is not Role.MEMBER:
            return Principal(subject, role, expires_at)
        try:
            viewer = parse_id(self._user_ids, subject)
        except ValueError as error:
            raise _refusal(f"the token's `sub` is not the id of a user: it {error}") from None
        return Principal(str(viewer), role, expires_at, viewer)


def _weight(authorization: str, principal: Principal) -> int:
    return len(authorization) + len(principal.subject)


# PyJWT's errors in words for the person who issued the token.
_REASONS: dict[type, str] = {
    jwt.ExpiredSignatureError: "the token has expired (`exp`)",
    jwt.exceptions.InvalidSubjectError: "the token's `sub` is not a string",
    jwt.InvalidAudienceError: "the token is for another audience (`aud`)",
    jwt.InvalidIssuerError: "the token is from another issuer (`iss`)",
    jwt.exceptions.InvalidJTIError: "the token's `jti` is not a string",
}
_NOT_A_TIME = "the token's `{}` is not a time in seconds since 1970"
# PyJWT names a claim in parentheses: "Expiration Time claim (exp) must be an integer."
_CLAIM = re.compile(r"\((exp|iat|nbf)\)")


def _reason(error: Exception) -> str:
    """Why a token is refused; it names the claim that is at fault."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks `{error.claim}`"
    known = _REASONS.get(type(error))
    named = _CLAIM.search(str(error))
    if known is not None or named is None:
        return known or "the token's claims are not a JSON object"
    if isinstance(error, jwt.ImmatureSignatureError):
        return (
            f"the token is not valid yet: `{named[1]}` is more than {_LEEWAY_SECONDS} s in the "
            "future"
        )
    return _NOT_A_TIME.format(named[1])


def _refusal(reason: str) -> NotAuthorizedException:
    """401 with the challenge of RFC 6750; `reason` is our own text and has no quotes in it."""
    challenge = f'Bearer error="invalid_token", error_description="{reason.replace("`", "")}"'
    return NotAuthorizedException(
        f"{reason[0].upper()}{reason[1:]}.", headers={"WWW-Authenticate": challenge}
    )


class AuthenticationMiddleware:
    """Puts the principal into `scope["user"]`; a request without a valid token gets 401.

    It is not Litestar's `ASGIMiddleware`, which takes a microsecond to find what is excluded.
    """

    def __init__(
        self, verifier: Verifier, charge_refusal: Callable[[Scope], object] = lambda _: None
    ) -> None:
        """`charge_refusal` counts a request whose token is refused; it may refuse with 429."""
        self._verifier = verifier
        self._charge_refusal = charge_refusal

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """The application that verifies the token of a request before this one."""

        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            # A browser's preflight request has no token, and `OPTIONS` tells nothing.
            if PUBLIC not in scope["route_handler"].opt and scope.get("method") != "OPTIONS":
                try:
                    scope["user"] = self._verifier.principal(authorization_of(scope))
                except NotAuthorizedException:
                    self._charge_refusal(scope)
                    raise
                scope["auth"] = None
            await app(scope, receive, send)

        return authenticated


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
