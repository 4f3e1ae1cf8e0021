"""Publishing the lake of a generation as Delta tables, and recording their versions."""

from __future__ import annotations

import msgspec

from olap.commands import how_to_install
from olap.delta.columns import lake_columns
from olap.delta.readme import readme
from olap.delta.table_log import Held, TableLog
from olap.errors import AnalyticsError, DeltaError
from olap.generations import current, manifests
from olap.layout import Layout, write_durably
from olap.log import get_logger
from olap.manifest import Manifest
from olap.settings import Settings
from olap.tables import FACT_NAMES, TABLES, Dimension, Fact

log = get_logger(__name__)


def follow(settings: Settings) -> None:
    """Publish the lake of the newest generation as Delta tables, unless that is done.

    A failure is logged, and `status` shows it; the next cycle tries again.
    """
    if settings.lake_format != "delta":
        return
    layout = Layout(settings.data_dir)
    try:
        published = current(layout)
        if published is not None and not published.delta:
            publish_tables(layout, published)
    except AnalyticsError as error:
        log.error("delta.failed", error=error.message, hint=error.hint)
    except (KeyboardInterrupt, SystemExit):
        raise
    # A panic of the library is no `Exception`.
    except BaseException as error:
        hint = "the generation is published; the next cycle tries again"
        log.error("delta.failed", error=f"{type(error).__name__}: {error}", hint=hint)


def publish_tables(layout: Layout, generation: Manifest) -> Manifest:
    """Make the newest versions of all tables the lake of a generation, and record them.

    Args:
        generation: the manifest of a generation on disk.

    Returns:
        The manifest with the versions, as it is on disk.

    Raises:
        DeltaError: the package is missing, or a log cannot be written.
    """
    _require_package()
    columns = lake_columns(generation.shape.ids)
    described = layout.lake / "README.md"
    content = readme(columns, FACT_NAMES).encode()
    # It lists the columns: with the same text, the tables have these already.
    has_same_columns = described.exists() and described.read_bytes() == content
    before = _published_before(layout, generation) if has_same_columns else None
    versions: dict[str, int] = {}
    for table in TABLES:
        one = TableLog(layout, table, columns[table.name])
        files = _files_in(generation, table)
        try:
            is_done = (
                before is not None
                and table.name in before.delta
                and before.delta[table.name] == one.newest_version
                and one.is_intact
                and _files_in(before, table) == files
            )
            if before is not None and is_done:
                versions[table.name] = before.delta[table.name]
            else:
                versions[table.name] = one.publish(files, generation)
        except OSError as error:
            raise DeltaError(
                f"the log {one.directory} cannot be written: {error}",
                hint="Free disk space, and let this user write DATA_DIR with all its contents; the "
                "next cycle tries again.",
            ) from error
    if not has_same_columns:
        write_durably(described, content)
    recorded = msgspec.structs.replace(generation, delta=versions)
    path = layout.generation_manifest(generation.generation)
    write_durably(path, recorded.to_json(), mode=0o444)
    return recorded


def _published_before(layout: Layout, generation: Manifest) -> Manifest | None:
    """The newest other generation on disk whose lake is published; None = there is none."""
    for known in manifests(layout):
        if known.delta and known.generation != generation.generation:
            return known
    return None


def _files_in(manifest: Manifest, table: Dimension | Fact) -> dict[str, Held]:
    """Size and rows of a table's files, by their path below its directory."""
    prefix = f"{table.name}/"
    return {
        file.path.removeprefix(prefix): (file.bytes, file.rows)
        for file in manifest.files
        if file.table == table.name
    }


def _require_package() -> None:
    try:
        import deltalake
    except ImportError as error:
        raise DeltaError(
            "LAKE_FORMAT=delta needs the package deltalake", hint=how_to_install("delta")
        ) from error
    assert deltalake
