"""A copy of a lake from which generations can be published without changing the lake."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from olap.generations import current
from olap.layout import Layout


def lake_copy(lake: Path, directory: Path) -> Path:
    """Make `directory` a `DATA_DIR` with the newest generation of `lake`; replace its content.

    Files that never change (the generation and the lake) become hard links and take no space; the
    warehouse, which each publication changes, is copied.
    """
    shutil.rmtree(directory, ignore_errors=True)
    source, target = Layout(lake), Layout(directory)
    target.create()
    manifest = current(source)
    assert manifest is not None, f"{lake} has no generation"
    number = manifest.generation
    target.generation_directory(number).mkdir()
    os.link(source.generation(number), target.generation(number))
    os.link(source.generation_manifest(number), target.generation_manifest(number))
    shutil.copytree(source.lake, target.lake, copy_function=os.link, dirs_exist_ok=True)
    shutil.copyfile(source.warehouse, target.warehouse)
    target.pointer.symlink_to(target.generation(number).relative_to(target.root))
    return directory
