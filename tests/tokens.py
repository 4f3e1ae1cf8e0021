"""Keys and tokens for the tests of the API, generated for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET = "a secret of the tests, long enough for HS256"
_TO_JWK: dict[str, Any] = {
    "RS256": RSAAlgorithm.to_jwk,
    "ES256": ECAlgorithm.to_jwk,
    "EdDSA": OKPAlgorithm.to_jwk,
}


@dataclass(frozen=True)
class Signer:
    """A private key and the algorithm with which it signs."""

    algorithm: str
    private: Any
    kid: str | None = None

    @classmethod
    def new(cls, algorithm: str, kid: str | None = None) -> Signer:
        """A new key for the algorithm."""
        match algorithm:
            case "RS256":
                private: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            case "ES256":
                private = ec.generate_private_key(ec.SECP256R1())
            case "EdDSA":
                private = ed25519.Ed25519PrivateKey.generate()
            case _:
                private = SECRET
        return cls(algorithm, private, kid)

    @property
    def pem(self) -> str:
        """The public key as a PEM text."""
        key = self.private.public_key()
        return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as an element of a key set."""
        found: dict[str, Any] = json.loads(_TO_JWK[self.algorithm](self.private.public_key()))
        return found if self.kid is None else found | {"kid": self.kid}

    def token(self, **changes: Any) -> str:
        """A token of the member 7 that expires in an hour; `name=None` omits a claim."""
        now = datetime.now(UTC)
        claims = {"sub": "7", "role": "member", "iat": now, "exp": now + timedelta(hours=1)}
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        headers = None if self.kid is None else {"kid": self.kid}
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers)

    def bearer(self, **changes: Any) -> str:
        """The header `Authorization` with such a token."""
        return f"Bearer {self.token(**changes)}"


def expirations() -> Iterator[datetime]:
    """When the token ends in a test that waits for that: later, if the machine was too slow.

    Raises AssertionError after the last one: the test stops asking when one token was accepted.
    """
    for seconds in (4, 40, 400):
        yield datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    raise AssertionError("no token was accepted")


def write_jwks(path: Path, *signers: Signer) -> None:
    """Replace the file by a key set with the public keys of these signers."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"keys": [signer.jwk for signer in signers]}))
    draft.replace(path)
