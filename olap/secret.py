"""Values that never appear in a log.

`Secret` hides the password of a connection string in `str()` and `repr()`, `Hidden` hides the whole
key, and only `.reveal()` returns the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from urllib.parse import unquote

# To the last `@`, because people forget to encode one in a password.
_URL_PASSWORD = re.compile(r"(?<=://)([^:/?#@]*:)(.*)(?=@)", re.DOTALL)
_SECRET_KEY = r"(?:\w*password|oauth_client_secret)"
# What follows `&` or a space without being another option belongs to it: somebody forgot to encode
# or to quote.
_QUERY_PASSWORD = re.compile(rf"([?&]{_SECRET_KEY}=)([^&]*(?:&(?![a-z_]+=)[^&]*)*)", re.IGNORECASE)
_CONNINFO_PASSWORD = re.compile(
    rf"((?<![?&\w]){_SECRET_KEY}\s*=\s*)"
    r"((?:'(?:[^'\\]|\\.)*'?)?(?:\\.|(?!\s+[a-z_]+\s*=).)*)",
    re.IGNORECASE | re.DOTALL,
)
_PASSWORDS = (_QUERY_PASSWORD, _URL_PASSWORD, _CONNINFO_PASSWORD)

# Where libpq quotes a part of a connection string that it cannot parse or use; it escapes no quote.
_ECHO = re.compile(
    r"""((?:
        missing\ "="\ after | unexpected\ spaces\ found\ in | invalid\ connection\ option
        | invalid\ percent-encoded\ token: | in\ percent-encoded\ value: | in\ URI:
        | in\ URI\ query\ parameter: | invalid\ URI\ query\ parameter: | internal\ parser\ routine:
        | in\ URI\ \(expected\ ":"\ or\ "/"\): | invalid\ port\ number: | invalid\ [a-z_]+\ value:
        | invalid\ integer\ value(?=.*"\ for\ connection\ option\ ")
    )\ ")(.*?(?="\ for\ connection\ option\ ")|.*(?="))""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z_.]*|.{0,7}", re.DOTALL)


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A connection string; `str()`, `repr()` and formats hide its password."""

    _value: str

    def reveal(self) -> str:
        """The connection string as given; only for the driver."""
        return self._value

    def __str__(self) -> str:
        shown = self._value
        for pattern in _PASSWORDS:
            shown = pattern.sub(r"\1***", shown)
        return shown

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def redact(self, text: str) -> str:
        """`text` without this connection string and its password, which a driver may echo.

        A password that could be a word of the message is hidden only where it stands as in a
        connection string, or where libpq quotes a part of one.
        """
        shown = str(self)
        hidden = text.replace(self._value, shown)
        host = "@" + re.split("[/:?]", self._value.rpartition("@")[2])[0]
        hidden = _ECHO.sub(lambda echo: echo[1] + (echo[2] if echo[2] in shown else "***"), hidden)
        for form in sorted(self._forms(), key=len, reverse=True):
            if not _WORD.fullmatch(form):
                hidden = hidden.replace(form, "***")
            hidden = hidden.replace(f"password={form}", "password=***")
            for before, after in product(':"', {host, unquote(host)}):
                hidden = hidden.replace(f"{before}{form}{after}", f"{before}***{after}")
        return hidden

    def _forms(self) -> set[str]:
        """The password as a driver may write it: as given, unquoted, decoded.

        The parts after a delimiter too, because libpq takes them for a host or a database.
        """
        given = {found[1] for pattern in _PASSWORDS for found in pattern.findall(self._value)}
        bare = {re.sub(r"\\(.)", r"\1", p.removeprefix("'").removesuffix("'")) for p in given}
        whole = {form for p in given | bare for form in (p, unquote(p))}
        parts = {
            part
            for p in whole
            for found in re.finditer(r"[/?#@:\s]", p)
            for part in (p[: found.start()], p[found.end() :])
        }
        return (whole | parts) - {"", "'", "''"}


@dataclass(frozen=True, slots=True, repr=False)
class Hidden:
    """A key; `str()`, `repr()` and formats hide all of it."""

    _value: str

    def reveal(self) -> str:
        """The key as given; only for signing and verifying."""
        return self._value

    def __repr__(self) -> str:
        return "Hidden('***')"
