"""Tokens signed with the secret of `tests.tokens`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from api.auth import Role, make_token
from olap.secret import Hidden
from olap.settings import Settings
from tests.tokens import SECRET


def token(role: Role, subject: object, lifetime: timedelta = timedelta(hours=1)) -> str:
    """A token; a negative lifetime is one that has expired."""
    return make_token(
        Settings(jwt_secret=Hidden(SECRET)),
        subject=str(subject),
        role=role,
        lifetime=lifetime,
        now=datetime.now(UTC),
    )
