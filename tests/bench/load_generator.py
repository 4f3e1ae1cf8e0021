"""Send requests to an HTTP server from many connections and record each response.

    python -I -S load_generator.py

`clients` starts this script. It reads its order from standard input as one line of JSON. It ends
when every path of the order has been requested or, for an order with weights, when standard input
is closed. It writes the result to standard output as JSON.

The script uses the standard library alone and is one loop over sockets: it must be several times
faster than the server that it measures, and its result contains its own processor time to show
this. Each client has one connection and sends the next request as soon as it has a response.
"""

import json
import random
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

_DRAWN_AT_ONCE = 10_000
_RECEIVED_AT_ONCE = 262_144

# The path, when it was requested (s), the time it took (ms), status, cache hit, generation.
Response = tuple[int, float, float, int, bool, int]


class Client:
    """One connection and its current request."""

    __slots__ = ("begun", "connection", "path", "received")

    def __init__(self, port: int) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.path = 0
        self.begun = 0.0

    def send(self, path: int, request: bytes) -> None:
        """Send a request, which fits into the socket's buffer."""
        self.path, self.received = path, b""
        self.begun = time.perf_counter()
        self.connection.sendall(request)

    def response(self) -> tuple[bytes, bytes] | None:
        """Head (in lower case) and body; None while they are incomplete."""
        data = self.connection.recv(_RECEIVED_AT_ONCE)
        if not data:
            raise ConnectionError(f"the server closed the connection after {self.received[:200]!r}")
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return None
        head = head.lower()
        return (head, body) if len(body) >= _number_after(b"\r\ncontent-length: ", head) else None


def main() -> None:
    """Execute the order on standard input."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    headers = f"Host: 127.0.0.1\r\nAuthorization: {order['authorization']}\r\n\r\n"
    requests = [f"GET {path} HTTP/1.1\r\n{headers}".encode() for path in order["paths"]]
    draws = _draws(len(requests), order["weights"], order["seed"])
    started, processor = time.perf_counter(), time.process_time()
    is_endless = order["weights"] is not None
    responses = _all_responses(order["port"], order["clients"], requests, draws, is_endless)
    result = {
        "responses": responses,
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - processor,
    }
    json.dump(result, sys.stdout)


def _draws(count: int, weights: list[float] | None, seed: int) -> Iterator[int]:
    """The indexes of the paths in order: each once, or drawn by weight without end."""
    if weights is None:
        yield from range(count)
        return
    draw = random.Random(seed)
    while True:
        yield from draw.choices(range(count), weights, k=_DRAWN_AT_ONCE)


def _all_responses(
    port: int, clients: int, requests: list[bytes], draws: Iterator[int], is_endless: bool
) -> list[Response]:
    responses: list[Response] = []
    origin = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        if is_endless:
            selector.register(sys.stdin, selectors.EVENT_READ)
        active = 0

        def send(client: Client) -> int:
            path = next(draws, None)
            if path is None:
                selector.unregister(client.connection)
                client.connection.close()
                return -1
            client.send(path, requests[path])
            return 0

        for _ in range(clients):
            client = Client(port)
            selector.register(client.connection, selectors.EVENT_READ, client)
            active += 1 + send(client)
        while active:
            for key, _ in selector.select():
                client = key.data
                if client is None:  # standard input was closed
                    return responses
                response = client.response()
                if response is None:
                    continue
                ms = (time.perf_counter() - client.begun) * 1000
                head, body = response
                responses.append(
                    (
                        client.path,
                        client.begun - origin,
                        ms,
                        int(head[9:12]),
                        b"\r\nx-cache: hit" in head,
                        _number_after(b'"generation":', body, missing=0),
                    )
                )
                active += send(client)
    return responses


def _number_after(name: bytes, text: bytes, *, missing: int | None = None) -> int:
    at = text.rfind(name)
    if at < 0 and missing is not None:
        return missing
    end = at = at + len(name)
    while text[end : end + 1].isdigit():
        end += 1
    return int(text[at:end])


if __name__ == "__main__":
    main()
