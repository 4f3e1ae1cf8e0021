"""The headers that every answer has, errors and 304 included, made once per application.

A handler adds what its own answer needs; `Vary` and what protects a browser are here alone, so that
no answer lacks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Header = tuple[bytes, bytes]
Headers = list[Header]

# One policy for the answers and for the pages that show them: nothing inline, nothing from
# elsewhere, and no text becomes HTML or a script. `blob:` is a picture that a page saves.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "
)
_PROTECTION: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_PREFLIGHT_SECONDS = 600


def vary(*, has_cors: bool) -> Header:
    """`Vary`: the headers of a request on which an answer may depend."""
    names = ["Authorization", "Accept", "Accept-Encoding"]
    if has_cors:
        names.append("Origin")
    return b"vary", ", ".join(names).encode()


def of_every_answer(*, has_cors: bool, frame_ancestors: Sequence[str] = ()) -> Headers:
    """The headers that an answer has whatever it is.

    Args:
        has_cors: whether pages of other origins may call the API, so that answers depend on theirs.
        frame_ancestors: the origins whose pages may show ours in a frame.
    """
    policy = _CONTENT_SECURITY_POLICY + (" ".join(frame_ancestors) or "'none'")
    return [
        vary(has_cors=has_cors),
        *_PROTECTION,
        (b"content-security-policy", policy.encode()),
    ]


class CrossOrigin:
    """What the browsers of pages of other origins are told.

    Litestar's own middleware replaces the `Vary` of an answer, takes every `OPTIONS` with an
    `Origin` for a preflight request, and answers a refused one with a text instead of a problem.
    """

    def __init__(
        self,
        origins: Iterable[str],
        *,
        methods: Iterable[str],
        headers: Iterable[str],
        exposed: Iterable[str],
    ) -> None:
        """Make the headers.

        Args:
            origins: those that may read answers, such as https://chat.example; `*` is every one.
            methods, headers: what a page may send.
            exposed: the headers of an answer that a page may read.
        """
        self._origins = frozenset(origin.encode() for origin in origins)
        self._exposed = (b"access-control-expose-headers", ", ".join(exposed).encode())
        self._preflight = [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", ", ".join(headers).encode()),
            (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
        ]

    def of_answer(self, origin: bytes) -> Headers:
        """The headers of an answer to a page of this origin; none if it may not read it."""
        allowed = self._allowed(origin)
        return [] if allowed is None else [allowed, self._exposed]

    def of_preflight(self, origin: bytes) -> Headers:
        """What the answer to a preflight request has besides: what such a page may send."""
        return [] if self._allowed(origin) is None else self._preflight

    def _allowed(self, origin: bytes) -> Header | None:
        if b"*" in self._origins:
            return b"access-control-allow-origin", b"*"
        return (b"access-control-allow-origin", origin) if origin in self._origins else None
