"""The commands about the source: check a mapping, copy one, print a role, install a feed."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import msgspec

from etl.check import check_source
from etl.database import source_as_it_is
from etl.feed.install import Site, apply, install_script, read_site, uninstall_script
from etl.report.source import check_text, installed_text, uninstalled_text
from etl.role import role_sql
from etl.running import logged_to
from olap import commands
from olap.errors import SettingsError, SourceError
from olap.manifest import Mode
from olap.mapping import SourceMapping, read_mapping
from olap.settings import Settings
from olap.terminal import show


@logged_to("etl")
def try_mapping(settings: Settings, options: argparse.Namespace) -> int:
    """`source check`"""
    read_mapping(settings.source_mapping)  # an error here needs no database
    with source_as_it_is(settings, sys.stderr) as url:
        found = check_source(settings, url)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(check_text(found))
    return 1 if found.errors else 0


@logged_to("etl")
def print_role(settings: Settings, options: argparse.Namespace) -> int:
    """`source role`"""
    show(role_sql(read_mapping(settings.source_mapping)))
    return 0


@logged_to("etl")
def copy_mapping(settings: Settings, options: argparse.Namespace) -> int:
    """`source copy`"""
    folder = Path(options.folder)
    if folder.exists():
        raise SettingsError(f"{folder} exists already", hint="Name a folder that does not.")
    shutil.copytree(read_mapping(options.mapping).folder, folder)
    path = options.folder if "/" in options.folder else f"./{folder}"
    show(
        f"Copied. Change the files in {folder}, set SOURCE_MAPPING={path} and run "
        f"`{commands.call('source check')}`."
    )
    return 0


@logged_to("etl")
def install_feed(settings: Settings, options: argparse.Namespace) -> int:
    """`source install`"""
    mode, mapping = Mode(options.feed), read_mapping(settings.source_mapping)
    given = {"etl_role": options.role, "wal_limit": options.wal_limit}
    if not options.apply:
        print(install_script(mode, mapping, _site(settings, mode, mapping), **given).text)
        return 0
    with source_as_it_is(settings, sys.stderr) as url:
        site = read_site(url, mode, mapping)
        script = install_script(mode, mapping, site, **given)
        apply(url, script)
    show(installed_text(mode, site, script))
    return 0


@logged_to("etl")
def uninstall_feed(settings: Settings, options: argparse.Namespace) -> int:
    """`source uninstall`"""
    mode, mapping = Mode(options.feed), read_mapping(settings.source_mapping)
    if not options.apply:
        print(uninstall_script(mode, _site(settings, mode, mapping)).text)
        return 0
    with source_as_it_is(settings, sys.stderr) as url:
        script = uninstall_script(mode, read_site(url, mode, mapping))
        apply(url, script)
    show(uninstalled_text(mode, script))
    return 0


def _site(settings: Settings, mode: Mode, mapping: SourceMapping) -> Site | None:
    """What the database says; None where none is named, or where it cannot be asked."""
    if settings.database_url is None:
        return None
    try:
        return read_site(settings.database_url, mode, mapping)
    except SourceError as error:
        show(f"warning: the database was not asked: {error.message}", sys.stderr)
        return None
