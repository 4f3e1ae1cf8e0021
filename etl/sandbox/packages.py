"""Servers and data in Python packages, found without importing the packages.

Their Python code is not needed, and it has side effects: it warns at import when XDG_RUNTIME_DIR is
unset, keeps lists of process ids that are wrong after a crash, shares one lock file between all
accounts of a machine, and opens every directory above the data to everyone.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from olap.commands import how_to_install
from olap.errors import SandboxError


def package_directory(module: str) -> Path | None:
    """The directory of an installed module, or None."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def import_sandbox(module: str) -> ModuleType:
    """Import a module of the sandbox, whose packages are an extra.

    Raises:
        SandboxError: one of them is not installed.
    """
    try:
        return import_module(f"etl.sandbox.{module}")
    except ModuleNotFoundError as error:
        raise SandboxError(
            f"The sandbox needs the package {error.name}, which is not installed.",
            hint=f"{how_to_install('sandbox')} Or set DATABASE_URL to a messenger's database.",
        ) from None


def server_directory(module: str, *, package: str, server: str) -> Path:
    """The directory of the package that contains a server.

    Raises:
        SandboxError: the package is not installed.
    """
    directory = package_directory(module)
    if directory is None:
        raise SandboxError(
            f"The sandbox's {server} comes from the package {package}, which is not installed.",
            hint=f"{how_to_install('sandbox')} Or set the URL of your own server.",
        )
    return directory
