"""Authentication: valid tokens of every algorithm are accepted; all else returns 401 with a
reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from litestar import Litestar, Request, get
from litestar.exceptions import NotAuthorizedException
from litestar.testing import TestClient

from api import auth
from api.auth import (
    PUBLIC,
    AuthenticationMiddleware,
    Principal,
    Role,
    Verifier,
    authorization_of,
    make_token,
)
from api.guards import only_for
from api.keys import Key, Keys
from olap.errors import SettingsError
from olap.ids import IdType
from olap.secret import Hidden
from olap.settings import Settings
from tests.tokens import SECRET, Signer, write_jwks

HS256 = Signer.new("HS256")


def verifier(**settings: Any) -> Verifier:
    """A verifier with these settings."""
    return Verifier.from_settings(Settings(**settings))


def by_secret(**settings: Any) -> Verifier:
    """A verifier with the secret of the tests."""
    return verifier(jwt_secret=Hidden(SECRET), **settings)


def refusal(of: Verifier, authorization: str | None) -> str:
    """The reason for which this header is refused."""
    with pytest.raises(NotAuthorizedException) as caught:
        of.principal(authorization)
    assert caught.value.status_code == 401
    assert caught.value.headers is not None
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    token = (authorization or "").rpartition(" ")[2]
    assert len(token) < 20 or token not in str(caught.value) + str(caught.value.headers)
    return caught.value.detail


def test_hs256() -> None:
    """A token signed with JWT_SECRET gives the subject, the role, the expiry and the viewer."""
    until = datetime(2100, 1, 1, tzinfo=UTC)
    principal = by_secret().principal(HS256.bearer(exp=until))
    assert principal == Principal("7", Role.MEMBER, until.timestamp(), 7)
    assert by_secret().principal(HS256.bearer(role="admin")).viewer is None


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("source", ["pem", "pem on one line", "pem file", "key set"])
def test_public_keys(algorithm: str, source: str, tmp_path: Path) -> None:
    """A token of each algorithm is verified with its public key, from a PEM text, a file or a key
    set, and with no other key."""
    signer, other = Signer.new(algorithm, kid="a"), Signer.new(algorithm, kid="a")
    file = tmp_path / "key"
    match source:
        case "pem":
            found = verifier(jwt_public_key=signer.pem)
        case "pem on one line":
            found = verifier(jwt_public_key=signer.pem.replace("\n", "\\n"))
        case "pem file":
            file.write_text(signer.pem)
            found = verifier(jwt_public_key=str(file))
        case _:
            write_jwks(file, signer)
            found = verifier(jwt_jwks_file=file)
    assert found.principal(signer.bearer(role="admin")).role is Role.ADMIN
    assert refusal(found, other.bearer()) == "The signature does not match any key here."
    assert "No key here verifies" in refusal(found, HS256.bearer())


def test_a_rotated_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is added to the set verifies tokens, and one that is removed does not, even if its
    tokens are cached."""
    monkeypatch.setattr(auth, "_KEY_CHECK_SECONDS", 0)
    old, new, file = Signer.new("ES256", "2025"), Signer.new("ES256", "2026"), tmp_path / "jwks"
    write_jwks(file, old)
    found = verifier(jwt_jwks_file=file)
    token = old.bearer()
    assert found.principal(token)
    assert "No key here" in refusal(found, new.bearer())
    write_jwks(file, old, new)
    assert found.principal(token)
    assert found.principal(new.bearer())
    write_jwks(file, new)
    assert "No key here" in refusal(found, token)
    assert found.principal(new.bearer())


@pytest.mark.parametrize("content", ['{"keys": [', "", '{"keys": []}', None])
def test_a_key_set_that_cannot_be_used_revokes_its_keys(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that is half written, empty or removed verifies nothing, also no token that was
    verified before, and the log says so; the next valid set is used, and other keys are not
    concerned."""
    monkeypatch.setattr(auth, "_KEY_CHECK_SECONDS", 0)
    old, new, file = Signer.new("EdDSA", "1"), Signer.new("EdDSA", "2"), tmp_path / "jwks"
    write_jwks(file, old)
    found, cached = verifier(jwt_jwks_file=file, jwt_secret=Hidden(SECRET)), old.bearer()
    assert found.principal(cached)
    with structlog.testing.capture_logs() as lines:
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        for _ in range(2):
            assert "No key here" in refusal(found, cached)
    assert [(line["event"], line["log_level"]) for line in lines] == [("keys.revoked", "error")]
    assert str(file) in lines[0]["reason"]
    assert found.principal(HS256.bearer())
    write_jwks(file, new)
    assert found.principal(new.bearer())
    assert "No key here" in refusal(found, cached)


def test_tokens_without_a_kid_are_tried_with_every_key(tmp_path: Path) -> None:
    """Keys and tokens need no names: one matching signature is enough."""
    signers = [Signer.new("ES256") for _ in range(3)]
    write_jwks(tmp_path / "jwks", *signers)
    found = verifier(jwt_jwks_file=tmp_path / "jwks")
    for signer in signers:
        assert found.principal(signer.bearer())
    assert (
        refusal(found, Signer.new("ES256").bearer()) == "The signature does not match any key here."
    )
    for signer in signers:
        assert refusal(found, signer.bearer(exp=1)) == "The token has expired (`exp`)."


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _claims() -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "7", "role": "admin", "iat": now, "exp": now + 3600}


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", None, "HS512", "RS256", ["HS256"]]
)
def test_another_algorithm(algorithm: Any) -> None:
    """`alg: none`, in any spelling, and every algorithm that is not that of the key, find no
    key."""
    forged = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(_claims())}."
    refused = refusal(by_secret(), f"Bearer {forged}")
    assert "No key here verifies" in refused or "not a JSON Web Token" in refused
    signature = hmac.digest(SECRET.encode(), forged.rstrip(".").encode(), hashlib.sha256)
    signed = forged + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    refused = refusal(by_secret(), f"Bearer {signed}")
    assert "No key here verifies" in refused or "not a JSON Web Token" in refused


def test_a_public_key_is_not_a_secret() -> None:
    """An HS256 token signed with the text of the public key is refused."""
    signer = Signer.new("RS256")
    body = f"{_part({'alg': 'HS256'})}.{_part(_claims())}"
    signature = hmac.digest(signer.pem.encode(), body.encode(), hashlib.sha256)
    forged = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    for found in (
        verifier(jwt_public_key=signer.pem),
        verifier(jwt_public_key=signer.pem, jwt_secret=Hidden(SECRET)),
    ):
        assert refusal(found, f"Bearer {forged}")
        assert found.principal(signer.bearer())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1}, "The token has expired (`exp`)."),
        ({"nbf": 2**33}, "The token is not valid yet: `nbf` is more than 30 s in the future."),
        ({"iat": 2**33}, "The token is not valid yet: `iat` is more than 30 s in the future."),
        ({"exp": None}, "The token lacks `exp`."),
        ({"iat": None}, "The token lacks `iat`."),
        ({"sub": None}, "The token lacks `sub`."),
        ({"aud": "others"}, "The token is for another audience (`aud`)."),
        ({"aud": None}, "The token lacks `aud`."),
        ({"iss": "others"}, "The token is from another issuer (`iss`)."),
        ({"iss": None}, "The token lacks `iss`."),
        ({"role": None}, "The token's `role` is none of admin, member, service."),
        ({"role": "root"}, "The token's `role` is none of admin, member, service."),
        ({"role": ["admin"]}, "The token's `role` is none of admin, member, service."),
        ({"role": None, "extras": {"role": "admin"}}, "The token's `role` is none of"),
        ({"sub": "alice"}, "The token's `sub` is not the id of a user: it must be a whole number"),
        ({"sub": "07"}, "The token's `sub` is not the id of a user: it must be a whole number"),
        ({"sub": "7" * 256}, "The token's `sub` is longer than 255 characters."),
        ({"jti": 7}, "The token's `jti` is not a string."),
        ({"exp": "soon"}, "The token's `exp` is not a time in seconds since 1970."),
        ({"exp": str(2**33)}, "The token's `exp` is not a time in seconds since 1970."),
        ({"exp": 1e300}, "The token's `exp` is not a time in seconds since 1970."),
        ({"exp": inf}, "The token's `exp` is not a time in seconds since 1970."),
        ({"exp": 1000 * 2**33}, "The token's `exp` is not a time in seconds since 1970."),
        ({"iat": "now"}, "The token's `iat` is not a time in seconds since 1970."),
        ({"nbf": []}, "The token's `nbf` is not a time in seconds since 1970."),
    ],
)
def test_an_invalid_claim(changes: dict[str, Any], reason: str) -> None:
    """A claim that is missing, expired, not yet valid, for others or no time returns 401, which
    names the claim."""
    found = by_secret(jwt_audience="analytics", jwt_issuer="login")
    fitting = {"aud": ["analytics", "else"], "iss": "login"}
    assert found.principal(HS256.bearer(**fitting))
    assert refusal(found, HS256.bearer(**(fitting | changes))).startswith(reason)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_the_clock_of_the_issuer_may_be_ahead(claim: str) -> None:
    """`iat` and `nbf` may be 30 seconds in the future, as between two machines, and no more."""
    now = int(time.time())
    assert by_secret().principal(HS256.bearer(**{claim: now + 25}))
    assert f"`{claim}`" in refusal(by_secret(), HS256.bearer(**{claim: now + 90}))


def test_exp_has_no_leeway() -> None:
    """A token is refused from its `exp` on."""
    assert "`exp`" in refusal(by_secret(), HS256.bearer(exp=int(time.time()) - 1))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer a.b.c",
        "Basic dTpw",
        f"Bearer {'a' * 9000}",
        "Bearer é",
    ],
)
def test_a_header_without_a_token(authorization: str | None) -> None:
    """A missing header, another scheme and an invalid token return 401."""
    assert refusal(by_secret(), authorization)
    assert refusal(by_secret(), HS256.bearer().replace("Bearer", "Token"))
    assert by_secret().principal(HS256.bearer().replace("Bearer", "bearer"))


def test_a_number_as_sub_is_refused() -> None:
    """RFC 7519 demands a string as `sub`: a token with a number returns 401 and is not user 7."""
    # PyJWT refuses to create one.
    body = f"{_part({'alg': 'HS256'})}.{_part(_claims() | {'sub': 7})}"
    signature = hmac.digest(SECRET.encode(), body.encode(), hashlib.sha256)
    token = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert refusal(by_secret(), f"Bearer {token}")


def test_a_changed_payload_is_refused() -> None:
    """A member who changes their role to administrator has no valid signature."""
    head, _, signature = HS256.token().split(".")
    assert refusal(by_secret(), f"Bearer {head}.{_part(_claims())}.{signature}") == (
        "The signature does not match any key here."
    )


def test_a_verified_token_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature of a valid token is verified once, that of a refused one each time."""
    checks: list[str] = []
    decode = Verifier._decode

    def counted(*arguments: Any) -> Any:
        checks.append(arguments[1])
        return decode(*arguments)

    monkeypatch.setattr(Verifier, "_decode", counted)
    found, good, bad = by_secret(), HS256.bearer(), HS256.bearer(exp=1)
    assert found.principal(good) is found.principal(good)
    assert len(checks) == 1
    for _ in range(2):
        refusal(found, bad)
    assert len(checks) == 3


def test_a_cached_token_expires() -> None:
    """From its `exp` on a cached token returns 401."""
    now, token = 99.0, HS256.bearer(exp=100)
    found = Verifier(
        Keys((Key("HS256", SECRET.encode()),)), user_ids=IdType.INTEGER, clock=lambda: now
    )
    cached = Principal("7", Role.MEMBER, 100.0, 7)
    found._verified.put(token, cached)
    assert found.principal(token) is cached
    now = 100.0
    assert refusal(found, token) == "The token has expired (`exp`)."


def test_the_cache_of_tokens_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens are verified, and however long they are, the cache keeps no more bytes
    than its bound."""
    monkeypatch.setattr(auth, "_CACHED_BYTES_MAX", 40_000)
    found = by_secret()
    for number in range(100):
        token = HS256.bearer(sub=str(number), note="x" * 40 * number)
        assert found.principal(token).subject == str(number)
        assert 0 < sum(len(kept) for kept in found._verified._entries) <= 40_000
        assert len(found._verified) <= 80


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no key is set"),
        ({"jwt_secret": Hidden("a" * 31)}, "JWT_SECRET is shorter than 32 bytes"),
        ({"jwt_public_key": "nowhere.pem"}, "neither a PEM text nor a readable file"),
        ({"jwt_public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n"}, "contains no public key"),
        ({"jwt_jwks_file": Path("nowhere.json")}, "is not a JSON Web Key Set"),
    ],
)
def test_without_a_usable_key_there_is_no_verifier(settings: dict[str, Any], message: str) -> None:
    """A missing, weak or invalid key is an error that names the setting."""
    with pytest.raises(SettingsError, match=message):
        verifier(**settings)


def test_weak_and_unsupported_keys_are_refused(tmp_path: Path) -> None:
    """A short RSA key, another curve and a private key are refused, and no error shows the key."""
    weak = Signer("RS256", rsa.generate_private_key(public_exponent=65537, key_size=1024), "w")
    other = Signer("ES256", ec.generate_private_key(ec.SECP384R1()), "o")
    for signer in (weak, other):
        with pytest.raises(SettingsError, match="of an unsupported kind"):
            verifier(jwt_public_key=signer.pem)
        write_jwks(tmp_path / "jwks", signer)
        with pytest.raises(SettingsError, match="has no key for RS256, ES256 or EdDSA"):
            verifier(jwt_jwks_file=tmp_path / "jwks")
    key = Signer.new("ES256").private
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(SettingsError) as caught:
        verifier(jwt_public_key=pem)
    assert not any(line in str(caught.value) for line in pem.splitlines()[1:-1])


def test_only_signature_keys_of_a_set_are_used(tmp_path: Path) -> None:
    """A symmetric key in the set, and one for encryption, verify nothing."""
    good, sealed = Signer.new("ES256", "good"), Signer.new("ES256", "sealed")
    shared = {
        "kty": "oct",
        "kid": "shared",
        "k": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    }
    keys = [good.jwk, shared, sealed.jwk | {"use": "enc"}]
    (tmp_path / "jwks").write_text(json.dumps({"keys": keys}))
    found = Keys((), tmp_path / "jwks")
    assert [key.kid for key in found.candidates("ES256", None)] == ["good"]
    assert found.candidates("HS256", "shared") == []


@pytest.mark.parametrize("role", list(Role))
def test_a_token_of_make_token_is_valid(role: Role) -> None:
    """A token of `make_token` is accepted, with the audience and the issuer of the settings."""
    settings = Settings(jwt_secret=Hidden(SECRET), jwt_audience="a", jwt_issuer="i")
    now = datetime.now(UTC)
    token = make_token(settings, subject="7", role=role, lifetime=timedelta(days=30), now=now)
    principal = Verifier.from_settings(settings).principal(f"Bearer {token}")
    assert (principal.subject, principal.role) == ("7", role)
    assert principal.expires_at == int(now.timestamp()) + 30 * 86_400


def test_make_token_refuses_what_the_api_would_refuse() -> None:
    """A member that is not a user, and a missing or short secret, are errors and give no token."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for settings, subject, message in [
        (Settings(), "7", "JWT_SECRET is not set"),
        (Settings(jwt_secret=Hidden("short")), "7", "shorter than 32 bytes"),
        (Settings(jwt_secret=Hidden(SECRET)), "alice", "'alice' is not the id of a user"),
    ]:
        with pytest.raises(SettingsError, match=message):
            make_token(settings, subject=subject, role=Role.MEMBER, lifetime=hour, now=now)


@get("/whoami")
async def whoami(request: Request[Principal, None, Any]) -> str:
    """The role and the subject of the request."""
    return f"{request.user.role} {request.user.subject}"


@get("/posted", guards=[only_for(Role.ADMIN, Role.SERVICE)])
async def posted() -> str:
    """A handler for two of the roles."""
    return "posted"


@get("/open", opt={PUBLIC: True})
async def opened() -> str:
    """A public handler."""
    return "open"


def test_the_middleware() -> None:
    """A request without a valid token returns 401; with one it has a principal, and guards
    apply."""
    app = Litestar([whoami, posted, opened], middleware=[AuthenticationMiddleware(by_secret())])
    with TestClient(app) as client:
        assert client.get("/whoami").status_code == 401
        assert client.get("/open").text == "open"
        expected = {Role.ADMIN: 200, Role.SERVICE: 200, Role.MEMBER: 403}
        for role, status in expected.items():
            headers = {"Authorization": HS256.bearer(role=role)}
            assert client.get("/whoami", headers=headers).text == f"{role} 7"
            assert client.get("/posted", headers=headers).status_code == status


def test_a_header_that_is_sent_twice_is_ignored() -> None:
    """Of two tokens neither is used, because a proxy may have checked the other one."""
    one, other = ((b"authorization", HS256.bearer(role=r).encode()) for r in ("member", "admin"))
    scope: Any = {"headers": [one]}
    assert authorization_of(scope) == one[1].decode()
    for headers in ([one, other], []):
        scope = {"headers": headers}
        assert authorization_of(scope) is None
