"""Tracks events of another Python program and reads answers; needs only the standard library.

    from messenger_analytics import AnalyticsEventType, get_analytics_service
    from messenger_analytics import start_analytics_service

    start_analytics_service("https://chat.example/api/v1/messenger/analytics", token)  # once
    ...
    analytics = get_analytics_service()
    await analytics.track_event(
        AnalyticsEventType.FILE_UPLOADED, user_id=7, metadata={"file_size": 2048576}
    )

`track_event`, and `track` where nothing can be awaited, put the event into a bounded queue and
return. Neither waits for the network, and neither raises. A thread sends the queue in batches. Each
event gets its id when it is tracked, so a batch without an answer is sent again and stored once.
Events that the API refuses, and events that do not fit into the queue, are dropped and counted
(`stats`); the log `messenger_analytics` has one line about each reason.

At the end of the program the queue is sent within `close_seconds`; a SIGKILL loses it. A program
that must not lose an event posts it itself and waits for the 202.

`AnalyticsClient.batch` reads up to 32 answers of one generation; it waits for them, and raises if
there are none.
"""

from __future__ import annotations

import asyncio
import atexit
import http.client
import json
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

log = logging.getLogger("messenger_analytics")

_BATCH_EVENTS = 500
_BATCH_BYTES = 4_000_000
_METADATA_BYTES_MAX = 8192
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0
_LAST_ANSWER_SECONDS = 0.5


class AnalyticsEventType(str, Enum):  # noqa: UP042 - the requirement's own definition
    """The types of events in the messenger."""

    MESSAGE_SENT = "message.sent"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_READ = "message.read"
    USER_ONLINE = "user.online"
    USER_OFFLINE = "user.offline"
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_JOINED = "conversation.joined"
    CONVERSATION_LEFT = "conversation.left"
    FILE_UPLOADED = "file.uploaded"


@dataclass(frozen=True)
class ClientStats:
    """The counts of a client since it was created.

    Attributes:
        sent: events that the API has confirmed.
        queued: events that wait, or are being sent.
        dropped: dropped events by reason: `full`, `unusable`, `refused`, `retries`, `closed`.
    """

    sent: int = 0
    queued: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The answer to one question of a batch.

    Attributes:
        status: 200, or why there is no answer.
        body: the decoded JSON; a problem with `detail` where the status is not 200.
        retry_after: seconds after which the question may have an answer; None = always the same.
    """

    status: int
    body: Any
    retry_after: int | None = None


@dataclass(frozen=True)
class Batch:
    """The answers to the questions of a batch, in their order, all of one generation."""

    generation: int
    data_through: datetime
    answers: tuple[Answer, ...]


class BatchError(Exception):
    """The API has not answered a batch.

    Attributes:
        status: why; 410 = the generation cannot be read any more, so begin with the newest.
        retry_after: seconds after which the same batch may be answered; 0 = not known.
    """

    def __init__(self, status: int, detail: str, retry_after: float) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.retry_after = retry_after


class _RefusedError(Exception):
    """The API will never accept the batch."""


class _LaterError(Exception):
    """The API may accept the batch after `pause` seconds."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class AnalyticsClient:
    """Tracks events of this process, from any thread or loop; one instance per process."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        queue_events: int = 10_000,
        batch_seconds: float = 0.1,
        retry_seconds: float = 300.0,
        timeout_seconds: float = 10.0,
        close_seconds: float = 5.0,
    ) -> None:
        """Nothing is sent and no connection is opened before the first event.

        Args:
            url: the URL of the API, with its path `/api/v1/messenger/analytics`.
            token: a bearer token: of the role `service` to track, of another one to read.
            queue_events: how many events may wait; more are dropped.
            batch_seconds: how long the first event of a batch waits for others.
            retry_seconds: after how long an unconfirmed batch is dropped.
            timeout_seconds: the time limit for one answer.
            close_seconds: the time limit for sending the queue when the program ends.

        Raises:
            ValueError: the URL is not an http or https URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"{url!r} is not a URL of the API: http://host/api/v1/messenger/analytics"
            )
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._queue_events = queue_events
        self._batch_seconds = batch_seconds
        self._retry_seconds = retry_seconds
        self._timeout_seconds = timeout_seconds
        self._close_seconds = close_seconds
        self._begin()
        atexit.register(self.close)

    def _begin(self) -> None:
        """Start with an empty queue and no thread."""
        self._process = os.getpid()
        self._waiting: deque[bytes] = deque()
        self._in_flight = 0
        self._sent = 0
        self._dropped: dict[str, int] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._closes_at: float | None = None

    def _require_own(self) -> None:
        """Start again in a forked child: the parent sends its own queue."""
        if self._process != os.getpid():
            self._begin()

    @property
    def stats(self) -> ClientStats:
        """The counts so far."""
        self._require_own()
        with self._changed:
            queued = len(self._waiting) + self._in_flight
            return ClientStats(self._sent, queued, dict(self._dropped))

    def track(
        self,
        event_type: AnalyticsEventType | str,
        user_id: int | str | UUID | None = None,
        conversation_id: int | str | UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        event_id: int | str | UUID | None = None,
    ) -> None:
        """Queue the event; returns at once and raises nothing.

        Args:
            event_type: what happened.
            user_id: the user.
            conversation_id: the conversation.
            metadata: details, at most 8 KB as JSON.
            event_id: a new uuid unless given; a messenger whose events have whole numbers needs it.
        """
        self._require_own()
        content = _content(event_type, user_id, conversation_id, metadata, event_id)
        with self._changed:
            if content is None:
                self._drop(1, "unusable")
            elif self._closes_at is not None:
                self._drop(1, "closed")
            elif len(self._waiting) + self._in_flight >= self._queue_events:
                self._drop(1, "full")
            else:
                self._waiting.append(content)
                self._changed.notify_all()
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="messenger-analytics", daemon=True
                    )
                    self._thread.start()

    async def track_event(
        self,
        event_type: AnalyticsEventType | str,
        user_id: int | str | UUID | None = None,
        conversation_id: int | str | UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        event_id: int | str | UUID | None = None,
    ) -> None:
        """`track` as the requirement declares it; it returns at once."""
        self.track(event_type, user_id, conversation_id, metadata, event_id)

    def batch(self, asks: Iterable[str], generation: int | None = None) -> Batch:
        """The answers to these questions, all of one generation; waits for them.

        Args:
            asks: 1 to 32, each a path with its query: `/timeline?days=7&interval=daily`.
            generation: the number of the generation that must answer; by default the newest.

        Raises:
            BatchError: there are no answers; one that is missing alone is in its `Answer`.
            OSError: the API cannot be reached.
            http.client.HTTPException: what answered is no HTTP server.
        """
        query = [("ask", ask) for ask in asks]
        if generation is not None:
            query.append(("generation", str(generation)))
        connection = self._new_connection()
        try:
            connection.request("GET", f"{self._path}/batch?{urlencode(query)}", None, self._headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            wait = _seconds(answer.getheader("Retry-After"))
            raise BatchError(answer.status, text[:500].decode(errors="replace"), wait)
        found = json.loads(text)
        return Batch(
            found["generation"],
            datetime.fromisoformat(found["data_through"].replace("Z", "+00:00")),
            tuple(
                Answer(one["status"], one["body"], one.get("retry_after"))
                for one in found["answers"]
            ),
        )

    def flush(self, seconds: float) -> bool:
        """Wait until every event is sent or dropped; returns whether that was in time."""
        self._require_own()
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._in_flight:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Accept no more events, and send the queue within `close_seconds`."""
        self._require_own()
        with self._changed:
            if self._closes_at is None:
                self._closes_at = time.monotonic() + self._close_seconds
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._close_seconds + _LAST_ANSWER_SECONDS)
        with self._changed:
            left = len(self._waiting) + self._in_flight
            self._waiting.clear()
            if left:
                self._drop(left, "closed")
        atexit.unregister(self.close)

    async def aclose(self) -> None:
        """`close` without blocking the loop."""
        await asyncio.to_thread(self.close)

    def _drop(self, number: int, reason: str) -> None:
        """Count dropped events; the first of each reason is logged."""
        if reason not in self._dropped:
            log.warning("analytics events are dropped: %s", reason)
        self._dropped[reason] = self._dropped.get(reason, 0) + number

    def _run(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch, time.monotonic() + self._retry_seconds)
            with self._changed:
                self._in_flight = 0
                self._changed.notify_all()
        if self._connection is not None:
            self._connection.close()

    def _next_batch(self) -> list[bytes]:
        """The next events, when there are any; an empty batch when the thread is to end."""
        with self._changed:
            while not self._waiting:
                if self._closes_at is not None:
                    return []
                self._changed.wait()
            full_at = time.monotonic() + self._batch_seconds
            while len(self._waiting) < _BATCH_EVENTS and self._closes_at is None:
                left = full_at - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch: list[bytes] = []
            size = 0
            while self._waiting and len(batch) < _BATCH_EVENTS and size < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1])
            self._in_flight = len(batch)
            return batch

    def _deliver(self, batch: list[bytes], deadline: float) -> None:
        """Send the batch until it is confirmed, refused, or too old."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                self._post(batch)
            except _RefusedError as refusal:
                if len(batch) > 1:
                    # Halve the batch: one bad event must not lose the others.
                    half = len(batch) // 2
                    self._deliver(batch[:half], deadline)
                    self._deliver(batch[half:], deadline)
                else:
                    log.error("an analytics event was refused: %s", refusal)
                    with self._changed:
                        self._drop(1, "refused")
                return
            except _LaterError as error:
                log.info("analytics events wait: %s", error)
                # Partly random, so that many clients do not return at the same time.
                wait = max(error.pause, pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                if not self._may_wait(wait, deadline):
                    with self._changed:
                        self._drop(len(batch), "closed" if self._closes_at else "retries")
                    return
            else:
                with self._changed:
                    self._sent += len(batch)
                return

    def _may_wait(self, seconds: float, deadline: float) -> bool:
        """Wait, unless the time is over before that; returns whether to try again."""
        until = time.monotonic() + seconds
        with self._changed:
            while (now := time.monotonic()) < until:
                if self._closes_at is not None and until > self._closes_at:
                    return False
                if until > deadline:
                    return False
                self._changed.wait(until - now)
        return True

    def _post(self, batch: list[bytes]) -> None:
        """Send the batch once.

        Raises:
            _RefusedError: the API will never accept it.
            _LaterError: the API may accept it later.
        """
        body = b"[" + b",".join(batch) + b"]"
        try:
            connection = self._connection or self._connect()
            connection.request("POST", f"{self._path}/events", body, self._headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._disconnect()
            raise _LaterError(f"{type(error).__name__}: {error}") from None
        if answer.status == http.HTTPStatus.ACCEPTED:
            return
        reason = f"{answer.status} {text[:200].decode(errors='replace')}"
        if answer.status in (400, 413, 422):
            raise _RefusedError(reason)
        # 401 and 403 as well: when keys are rotated, one side may be earlier than the other.
        raise _LaterError(reason, _seconds(answer.getheader("Retry-After")))

    def _connect(self) -> http.client.HTTPConnection:
        self._connection = self._new_connection()
        return self._connection

    def _new_connection(self) -> http.client.HTTPConnection:
        kind = (
            http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        )
        return kind(self._host, self._port, timeout=self._timeout_seconds)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _content(
    event_type: AnalyticsEventType | str,
    user_id: int | str | UUID | None,
    conversation_id: int | str | UUID | None,
    metadata: Mapping[str, Any] | None,
    event_id: int | str | UUID | None,
) -> bytes | None:
    """The event as JSON; None if it is not a valid event."""
    try:
        described = json.dumps(dict(metadata or {}), allow_nan=False, separators=(",", ":"))
        if len(described.encode()) > _METADATA_BYTES_MAX:
            raise ValueError(f"its metadata is longer than {_METADATA_BYTES_MAX} bytes")
        event = {
            "id": _plain(uuid4() if event_id is None else event_id),
            "event_type": AnalyticsEventType(event_type).value,
            "user_id": _plain(user_id),
            "conversation_id": _plain(conversation_id),
        }
        return f'{json.dumps(event)[:-1]}, "metadata": {described}}}'.encode()
    except (TypeError, ValueError, RecursionError) as error:
        log.error("not an analytics event: %s", error)
        return None


def _plain(identity: int | str | UUID | None) -> int | str | None:
    return str(identity) if isinstance(identity, UUID) else identity


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() else 0.0


_service: AnalyticsClient | None = None


def start_analytics_service(url: str, token: str, **options: Any) -> AnalyticsClient:
    """Create the program's client and close the one before; see `AnalyticsClient`."""
    global _service
    if _service is not None:
        _service.close()
    _service = AnalyticsClient(url, token, **options)
    return _service


def get_analytics_service() -> AnalyticsClient:
    """The program's client.

    Raises:
        LookupError: `start_analytics_service` was not called.
    """
    if _service is None:
        raise LookupError("call start_analytics_service(url, token) first")
    return _service
