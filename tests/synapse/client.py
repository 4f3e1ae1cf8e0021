"""The calls of HTTP that the driver makes: Matrix's client API, and Synapse's own for admins."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from olap.errors import SandboxError
from tests.synapse.server import Synapse

_MATRIX = "/_matrix/client/v3"
_ADMIN = "/_synapse/admin"
# A bound for a server that hangs, not for its speed.
_HANG_SECONDS = 120
_POLL_SECONDS = 0.05

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can act: the id, and the token of a session."""

    user_id: str
    token: str = field(repr=False)


@dataclass(slots=True)
class Client:
    """One connection to a Synapse; each thread has its own.

    Attributes:
        name: makes the ids of its transactions unique.
    """

    synapse: Synapse
    http: httpx.Client
    name: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    # Accounts

    def register(
        self, name: str, *, display_name: str, is_bot: bool = False, is_admin: bool = False
    ) -> Account:
        """Register somebody by the shared secret."""
        nonce = self._call("GET", f"{_ADMIN}/v1/register")["nonce"]
        words = [nonce, name, "password", "admin" if is_admin else "notadmin"]
        body = {
            "nonce": nonce,
            "username": name,
            "displayname": display_name,
            "password": "password",
            "admin": is_admin,
        }
        if is_bot:
            words.append("bot")
            body["user_type"] = "bot"
        secret = self.synapse.registration_secret.encode()
        body["mac"] = hmac.new(secret, "\0".join(words).encode(), hashlib.sha1).hexdigest()
        made = self._call("POST", f"{_ADMIN}/v1/register", body=body)
        return Account(made["user_id"], made["access_token"])

    def register_bridged(self, name: str) -> Account:
        """Register an account of the application service."""
        body = {"type": "m.login.application_service", "username": name}
        bridge = Account("", self.synapse.bridge_token)
        made = self._call("POST", f"{_MATRIX}/register", bridge, body=body)
        return Account(made["user_id"], made["access_token"])

    def rename(self, who: Account, display_name: str) -> None:
        """Change the name that others see."""
        path = f"{_MATRIX}/profile/{_part(who.user_id)}/displayname"
        self._call("PUT", path, who, body={"displayname": display_name})

    def deactivate(self, admin: Account, user_id: str, *, erase: bool) -> None:
        """Deactivate an account, and wait until it has left every room."""
        path = f"{_ADMIN}/v1/deactivate/{_part(user_id)}"
        rooms = f"{_ADMIN}/v1/users/{_part(user_id)}/joined_rooms"

        def has_left() -> bool:
            # Asked again each time: Synapse does not look at a request that comes while it ends
            # the loop of an earlier one.
            self._call("POST", path, admin, body={"erase": erase})
            return not self._call("GET", rooms, admin)["total"]

        self._until(has_left, path)

    # Rooms

    def create_room(self, who: Account, **options: Any) -> str:
        """Create a room with the options of Matrix; returns its id."""
        made: str = self._call("POST", f"{_MATRIX}/createRoom", who, body=options)["room_id"]
        return made

    def membership(self, who: Account, action: str, room: str, user_id: str | None = None) -> None:
        """Join, leave, invite, kick, ban or unban; the last four need `user_id`."""
        body = {} if user_id is None else {"user_id": user_id}
        self._call("POST", f"{_MATRIX}/rooms/{_part(room)}/{action}", who, body=body)

    def set_state(
        self, who: Account, room: str, type_: str, content: Content, key: str = ""
    ) -> None:
        """Set a piece of the room's state."""
        path = f"{_MATRIX}/rooms/{_part(room)}/state/{type_}/{_part(key)}"
        self._call("PUT", path, who, body=content)

    # Messages

    def send(self, who: Account, room: str, type_: str, content: Content) -> str:
        """Send an event; returns its id."""
        path = f"{_MATRIX}/rooms/{_part(room)}/send/{type_}/{self._transaction()}"
        return self._event(self._call("PUT", path, who, body=content))

    def import_old(
        self, user_id: str, room: str, type_: str, content: Content, sent_ms: int
    ) -> str:
        """Send an event as if it was sent then, as a bridge does with history; returns its id."""
        path = f"{_MATRIX}/rooms/{_part(room)}/send/{type_}/{self._transaction()}"
        bridge = Account("", self.synapse.bridge_token)
        sent = self._call("PUT", path, bridge, body=content, user_id=user_id, ts=sent_ms)
        return self._event(sent)

    def redact(self, who: Account, room: str, event_id: str) -> str:
        """Redact an event; returns the id of the redaction."""
        path = f"{_MATRIX}/rooms/{_part(room)}/redact/{_part(event_id)}/{self._transaction()}"
        return self._event(self._call("PUT", path, who, body={}))

    def upload(self, who: Account, name: str, content: bytes) -> str:
        """Upload a file; returns its address."""
        path = "/_matrix/media/v3/upload"
        uploaded: str = self._call("POST", path, who, file=content, filename=name)["content_uri"]
        return uploaded

    def read(
        self, who: Account, room: str, event_id: str, *, is_private: bool, thread: str | None
    ) -> None:
        """Move a read mark."""
        kind = "m.read.private" if is_private else "m.read"
        path = f"{_MATRIX}/rooms/{_part(room)}/receipt/{kind}/{_part(event_id)}"
        self._call("POST", path, who, body={} if thread is None else {"thread_id": thread})

    # Administration

    def purge_history(self, admin: Account, room: str, up_to: str) -> None:
        """Delete what was sent before an event, and wait until it is done."""
        body = {"delete_local_events": True, "purge_up_to_event_id": up_to}
        path = f"{_ADMIN}/v1/purge_history/{_part(room)}"
        purge = self._call("POST", path, admin, body=body)["purge_id"]
        status = f"{_ADMIN}/v1/purge_history_status/{purge}"
        self._until(lambda: self._is_complete(status, admin), path)

    def delete_room(self, admin: Account, room: str) -> None:
        """Delete a room with everything in it, and wait until it is done."""
        path = f"{_ADMIN}/v2/rooms/{_part(room)}"
        deletion = self._call("DELETE", path, admin, body={"purge": True})["delete_id"]
        status = f"{_ADMIN}/v2/rooms/delete_status/{deletion}"
        self._until(lambda: self._is_complete(status, admin), path)

    def _is_complete(self, path: str, admin: Account) -> bool:
        answer = self._call("GET", path, admin)
        if answer["status"] == "failed":
            raise SandboxError(f"{path}: {answer}", hint=f"Read {self.synapse.log}.")
        return bool(answer["status"] == "complete")

    def _until(self, is_done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _HANG_SECONDS
        while not is_done():
            if time.monotonic() > deadline:
                raise SandboxError(f"{what} does not end", hint=f"Read {self.synapse.log}.")
            time.sleep(_POLL_SECONDS)

    def _transaction(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    @staticmethod
    def _event(answer: Content) -> str:
        event_id: str = answer["event_id"]
        return event_id

    def _call(
        self,
        method: str,
        path: str,
        who: Account | None = None,
        *,
        body: Content | None = None,
        file: bytes | None = None,
        **parameters: str | int,
    ) -> Content:
        """The answer to a request.

        Raises:
            SandboxError: Synapse refuses it, or does not answer.
        """
        headers = {} if who is None else {"Authorization": f"Bearer {who.token}"}
        hint = f"Read {self.synapse.log}."
        try:
            answer = self.http.request(
                method, path, params=parameters, headers=headers, json=body, content=file
            )
        except httpx.TransportError as error:
            raise SandboxError(f"{method} {path}: {error!r}", hint=hint) from error
        if not answer.is_success:
            message = f"{method} {path}: {answer.status_code} {answer.text}"
            raise SandboxError(message, hint=hint)
        content: Content = answer.json()
        return content


@contextmanager
def client_of(synapse: Synapse, name: str) -> Iterator[Client]:
    """A connection of this name, until the block ends."""
    # trust_env: no proxy of the environment.
    with httpx.Client(base_url=synapse.url, timeout=_HANG_SECONDS, trust_env=False) as http:
        yield Client(synapse, http, name)


def _part(text: str) -> str:
    """An id as one part of a path."""
    return quote(text, safe="")
