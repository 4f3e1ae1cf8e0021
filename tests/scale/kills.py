"""Publishes the lake of a DATA_DIR as Delta tables, in a process that strace kills.

python -m tests.scale.kills DATA_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

from olap.delta.publishing import follow
from olap.settings import Settings

if __name__ == "__main__":
    follow(Settings(data_dir=Path(sys.argv[1]), lake_format="delta"))
