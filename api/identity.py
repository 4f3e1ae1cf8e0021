"""Who asks: a bearer token is a promise of an issuer, and an `Asker` is what we believe of it.

What a token must have: `sub` (a string), `exp`, `iat` and `role`; `aud` and `iss` where
`JWT_AUDIENCE` and `JWT_ISSUER` say so. Three roles:

* `admin` sees the whole site;
* `member` sees what the user whose id is the subject may see;
* `service` sees nothing and may post events.

Litestar's `Token` checks the claims and the signature, by the key that `api.keys` chooses. Its
authentication middleware is not used: it has one key and one algorithm for good, checks the
signature of every request anew (half the throughput of a cached answer), takes any word for
`Bearer`, and never says why it refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from typing import Any

import jwt
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.security.jwt import Token
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from api.ids import Id, parse_id
from api.keys import Key, Keys
from olap.errors import SettingsError
from olap.settings import Settings
from olap.tables import MESSENGER_IDS

# A handler with this in its `opt` answers anybody.
FOR_ANYBODY = "for_anybody"

_REMEMBERED_MAX = 4096
_TOKEN_LENGTH_MAX = 8192
_LOOK_SECONDS = 1.0


class Role(StrEnum):
    """What an asker may do."""

    ADMIN = "admin"
    MEMBER = "member"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody whose token was found good.

    Attributes:
        subject: the token's `sub`; a member's is the id of a user, in its one form.
        role: what they may do.
        until: when the token ends, in seconds since 1970.
    """

    subject: str
    role: Role
    until: float = inf

    @property
    def viewer(self) -> Id | None:
        """The user whose view is asked for, as the id's own type; None sees the whole site."""
        if self.role is Role.MEMBER:
            return parse_id(MESSENGER_IDS["user"], self.subject)
        return None


class Verifier:
    """From the header `Authorization` to an asker; remembers verified tokens until they end.

    What is remembered is bounded, holds nothing that was refused, and is forgotten as a whole when
    the keys change. Not for several threads at once.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        audience: str | None = None,
        issuer: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._remembered: dict[str, Asker] = {}
        self._next_look = 0.0

    @classmethod
    def from_settings(cls, settings: Settings) -> Verifier:
        """The verifier that the settings ask for.

        Raises:
            SettingsError: no key is set, or one that cannot be used.
        """
        return cls(
            Keys.from_settings(settings),
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
        )

    def asker(self, authorization: str | None) -> Asker:
        """Who sends this header.

        Raises:
            NotAuthorizedException: nobody we know (401); it says why, and never quotes the token.
        """
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            if self._keys.refresh():
                self._remembered.clear()
        if authorization is None:
            raise NotAuthorizedException(
                "Send a token in the header `Authorization: Bearer <token>`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        remembered = self._remembered.get(authorization)
        if remembered is not None and remembered.until > now:
            return remembered
        self._remembered.pop(authorization, None)
        asker = self._verified(authorization)
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._forget(now)
        self._remembered[authorization] = asker
        return asker

    def _verified(self, authorization: str) -> Asker:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _refusal("the header does not begin with `Bearer`")
        if len(token) > _TOKEN_LENGTH_MAX:
            raise _refusal(f"the token is longer than {_TOKEN_LENGTH_MAX} characters")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refusal("the token is no JSON Web Token") from None
        kid = header.get("kid")
        candidates = self._keys.candidates(str(header.get("alg")), kid)
        if not candidates:
            raise _refusal("no key here verifies a token with this `alg` and `kid`")
        for key in candidates:
            try:
                return _asker_of(self._decode(token, key))
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

    def _forget(self, now: float) -> None:
        """Make room: first what has ended, then the older half."""
        living = [item for item in self._remembered.items() if item[1].until > now]
        self._remembered = dict(living[-_REMEMBERED_MAX // 2 :])


class _Claims(Token):
    """Litestar's `Token`, to which a claim named `extras` means nothing.

    It would take that claim's members for the token's own: a second way to say `role`.
    """

    @classmethod
    def decode_payload(cls, *arguments: Any, **options: Any) -> Any:
        """Verify the token and return its claims."""
        payload = super().decode_payload(*arguments, **options)
        payload.pop("extras", None)
        return payload


def _asker_of(token: Token) -> Asker:
    try:
        role = Role(str(token.extras.get("role")))
    except ValueError:
        raise _refusal(f"the token's `role` is none of {', '.join(Role)}") from None
    try:
        subject = subject_for(role, token.sub)
    except ValueError as error:
        raise _refusal(f"the token's `sub` is no user's id: it {error}") from None
    return Asker(subject, role, token.exp.timestamp())


def subject_for(role: Role, subject: str) -> str:
    """The subject in its one form.

    Raises:
        ValueError: a member's subject is no id of a user; the message says how one looks.
    """
    return str(parse_id(MESSENGER_IDS["user"], subject)) if role is Role.MEMBER else subject


# What PyJWT found, in words for the person who made the token.
_REASONS: dict[type, str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet (`nbf` or `iat` lies ahead)",
    jwt.InvalidSignatureError: "the signature is not that of our key",
    jwt.InvalidAudienceError: "the token is for another audience (`aud`)",
    jwt.InvalidIssuerError: "the token is of another issuer (`iss`)",
}


def _explained(error: NotAuthorizedException) -> NotAuthorizedException:
    """Litestar's refusal, with the reason that it keeps to itself."""
    if error.__cause__ is None and error.headers:
        return error
    cause = error.__cause__
    if isinstance(cause, jwt.MissingRequiredClaimError):
        return _refusal(f"the token lacks `{cause.claim}`")
    return _refusal(_REASONS.get(type(cause), "the token's claims cannot be used"))


def _refusal(reason: str) -> NotAuthorizedException:
    """401 with what RFC 6750 wants in it; a reason is our own text and has no quotes."""
    challenge = f'Bearer error="invalid_token", error_description="{reason.replace("`", "")}"'
    return NotAuthorizedException(
        f"{reason[0].upper()}{reason[1:]}.", headers={"WWW-Authenticate": challenge}
    )


class IdentityMiddleware(ASGIMiddleware):
    """Puts the asker in `scope["user"]`; who has no good token gets 401."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = FOR_ANYBODY

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Verify, then go on."""
        if scope.get("method") != "OPTIONS":  # a browser's preflight has no token
            scope["user"] = self._verifier.asker(authorization_of(scope))
            scope["auth"] = None
        await next_app(scope, receive, send)


def authorization_of(scope: Scope) -> str | None:
    """The request's header `Authorization`; one that is sent twice is no header."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else None


def only_for(*roles: Role) -> Guard:
    """A guard: other roles than these get 403."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if connection.scope["user"].role not in roles:
            raise PermissionDeniedException(f"This is for the roles {', '.join(roles)} only.")

    return guard


def make_token(
    settings: Settings, *, subject: str, role: Role, lifetime: timedelta, now: datetime
) -> str:
    """A token signed with `JWT_SECRET`, as `python -m api token` prints it.

    Args:
        now: from when on it is good, aware.

    Raises:
        SettingsError: there is no such secret, or a member's subject is no user's id.
    """
    if settings.jwt_secret is None:
        raise SettingsError(
            "JWT_SECRET is not set, so no token can be signed here",
            hint="Set it, or have the issuer of JWT_PUBLIC_KEY or JWT_JWKS_FILE make the token.",
        )
    Keys.from_settings(settings)
    try:
        subject = subject_for(role, subject)
    except ValueError as error:
        raise SettingsError(
            f"the subject {subject!r} is no user's id: it {error}",
            hint="A member's subject is the id of a user of the messenger.",
        ) from None
    claims = {"sub": subject, "role": role.value, "iat": now, "exp": now + lifetime}
    if settings.jwt_audience is not None:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer is not None:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, settings.jwt_secret.reveal(), algorithm="HS256")
