"""Run a program and record its times and its peak memory: the script behind `stopwatch`.

    python -I -S launcher.py RESULT.json PROGRAM ARGUMENT…

It imports the standard library alone and needs little memory; `stopwatch` explains why.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(result: str, *command: str) -> int:
    """Run `command` and write its figures to the file `result`; non-zero when it failed."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    figures = {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * unit,
    }
    Path(result).write_text(json.dumps(figures))
    return abs(process.returncode)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
