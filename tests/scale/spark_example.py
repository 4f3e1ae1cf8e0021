"""Run as a program: executes an example for Spark on Sail, through Spark Connect.

It reads lines with a JSON list of a text and `versions`, and prints the example's `rows`, a JSON
list a line.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

if __name__ == "__main__":
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    address = f"sc://localhost:{server.listening_address[1]}"
    session = SparkSession.builder.remote(address).getOrCreate()
    for line in sys.stdin:
        text, versions = json.loads(line)
        names: dict[str, Any] = {"spark": session, "versions": versions}
        exec(text, names)
        print(json.dumps([[str(row.day), row.message_count] for row in names["rows"]]), flush=True)
    # The client waits for the server otherwise.
    os._exit(0)
