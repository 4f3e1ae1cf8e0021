"""Ask an HTTP server from many connections and write down each answer: the script behind `crowd`.

    python -I -S load_generator.py

An order comes on standard input as one line of JSON; it ends when every path of the order has been
asked, or, for an order with weights, when standard input is closed. What was found goes to standard
output as JSON.

It imports nothing but the standard library and is one loop over sockets: it has to be several times
faster than what it measures, and its own processor time stands in the result to show it. Each
client has one connection and asks again as soon as it has its answer.
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

# Its path, when it was asked (s), how long it took (ms), status, from a cache?, generation.
Answer = tuple[int, float, float, int, bool, int]


class Client:
    """One connection, and the request that is under way on it."""

    __slots__ = ("begun", "connection", "path", "received")

    def __init__(self, port: int) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.path = 0
        self.begun = 0.0

    def ask(self, path: int, request: bytes) -> None:
        """Send a request; it is short enough to go out at once."""
        self.path, self.received = path, b""
        self.begun = time.perf_counter()
        self.connection.sendall(request)

    def answer(self) -> tuple[bytes, bytes] | None:
        """Head (in lower case) and body, once both are there."""
        data = self.connection.recv(_RECEIVED_AT_ONCE)
        if not data:
            raise ConnectionError(f"the server hung up in the middle of {self.received[:200]!r}")
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return None
        head = head.lower()
        return (head, body) if len(body) >= _number_after(b"\r\ncontent-length: ", head) else None


def main() -> None:
    """Carry out the order."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    headers = f"Host: 127.0.0.1\r\nAuthorization: {order['authorization']}\r\n\r\n"
    requests = [f"GET {path} HTTP/1.1\r\n{headers}".encode() for path in order["paths"]]
    draws = _draws(len(requests), order["weights"], order["seed"])
    started, processor = time.perf_counter(), time.process_time()
    is_endless = order["weights"] is not None
    answers = _all_answers(order["port"], order["clients"], requests, draws, is_endless)
    result = {
        "answers": answers,
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - processor,
    }
    json.dump(result, sys.stdout)


def _draws(count: int, weights: list[float] | None, seed: int) -> Iterator[int]:
    """Which path comes next: each once, or by weight without end."""
    if weights is None:
        yield from range(count)
        return
    draw = random.Random(seed)
    while True:
        yield from draw.choices(range(count), weights, k=_DRAWN_AT_ONCE)


def _all_answers(
    port: int, clients: int, requests: list[bytes], draws: Iterator[int], is_endless: bool
) -> list[Answer]:
    answers: list[Answer] = []
    origin = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        if is_endless:
            selector.register(sys.stdin, selectors.EVENT_READ)
        asking = 0

        def ask(client: Client) -> int:
            path = next(draws, None)
            if path is None:
                selector.unregister(client.connection)
                client.connection.close()
                return -1
            client.ask(path, requests[path])
            return 0

        for _ in range(clients):
            client = Client(port)
            selector.register(client.connection, selectors.EVENT_READ, client)
            asking += 1 + ask(client)
        while asking:
            for key, _ in selector.select():
                client = key.data
                if client is None:  # the end of our standard input
                    return answers
                answer = client.answer()
                if answer is None:
                    continue
                ms = (time.perf_counter() - client.begun) * 1000
                head, body = answer
                answers.append(
                    (
                        client.path,
                        client.begun - origin,
                        ms,
                        int(head[9:12]),
                        b"\r\nx-cache: hit" in head,
                        _number_after(b'"generation":', body, missing=0),
                    )
                )
                asking += ask(client)
    return answers


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
