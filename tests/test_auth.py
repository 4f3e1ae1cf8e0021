"""Who asks: good tokens of every algorithm are taken, everything else is 401 and says why."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from litestar import Litestar, Request, get
from litestar.exceptions import NotAuthorizedException
from litestar.testing import TestClient

from api import auth
from api.auth import (
    PUBLIC,
    AuthenticationMiddleware,
    Keys,
    Principal,
    Role,
    Verifier,
    authorization_of,
    make_token,
    only_for,
)
from olap.errors import SettingsError
from olap.settings import Hidden, Settings
from tests.tokens import SECRET, Signer, write_jwks

HS256 = Signer.new("HS256")


def verifier(**settings: Any) -> Verifier:
    """A verifier with these settings."""
    return Verifier.from_settings(Settings(**settings))


def by_secret(**settings: Any) -> Verifier:
    """A verifier with the tests' secret."""
    return verifier(jwt_secret=Hidden(SECRET), **settings)


def refusal(of: Verifier, authorization: str | None) -> str:
    """Why this header is refused."""
    with pytest.raises(NotAuthorizedException) as caught:
        of.principal(authorization)
    assert caught.value.status_code == 401
    assert caught.value.headers is not None
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    token = (authorization or "").rpartition(" ")[2]
    assert len(token) < 20 or token not in str(caught.value) + str(caught.value.headers)
    return caught.value.detail


def test_hs256() -> None:
    """A token signed with JWT_SECRET is good, and says who asks, as what, and until when."""
    until = datetime(2100, 1, 1, tzinfo=UTC)
    asker = by_secret().principal(HS256.bearer(exp=until))
    assert asker == Principal("7", Role.MEMBER, until.timestamp())
    assert asker.viewer == 7


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("source", ["pem", "pem on one line", "pem file", "key set"])
def test_public_keys(algorithm: str, source: str, tmp_path: Path) -> None:
    """A token of each algorithm is good by its public key, wherever that stands, and no other."""
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
    assert refusal(found, other.bearer()) == "The signature is not that of our key."
    assert "No key here verifies" in refusal(found, HS256.bearer())


def test_a_rotated_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that joins the set is taken, one that left it is refused, remembered or not."""
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


def test_a_broken_key_set_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that is half written, or gone, leaves the keys in force; the next good one counts."""
    monkeypatch.setattr(auth, "_KEY_CHECK_SECONDS", 0)
    old, new, file = Signer.new("EdDSA", "1"), Signer.new("EdDSA", "2"), tmp_path / "jwks"
    write_jwks(file, old)
    found = verifier(jwt_jwks_file=file)
    for damage in (lambda: file.write_text('{"keys": ['), file.unlink):
        damage()
        assert found.principal(old.bearer())
    write_jwks(file, new)
    assert found.principal(new.bearer())


def test_tokens_without_a_kid_are_tried_with_every_key(tmp_path: Path) -> None:
    """Keys and tokens need no names: one good signature is enough."""
    signers = [Signer.new("ES256") for _ in range(3)]
    write_jwks(tmp_path / "jwks", *signers)
    found = verifier(jwt_jwks_file=tmp_path / "jwks")
    for signer in signers:
        assert found.principal(signer.bearer())
    assert refusal(found, Signer.new("ES256").bearer()) == "The signature is not that of our key."
    for signer in signers:
        assert refusal(found, signer.bearer(exp=1)) == "The token has expired."


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _claims() -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "7", "role": "admin", "iat": now, "exp": now + 3600}


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", None, "HS512", "RS256", ["HS256"]]
)
def test_another_algorithm(algorithm: Any) -> None:
    """`alg: none`, in any spelling, and every algorithm that is not the key's find no key."""
    forged = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(_claims())}."
    refused = refusal(by_secret(), f"Bearer {forged}")
    assert "No key here verifies" in refused or "no JSON Web Token" in refused
    signature = hmac.digest(SECRET.encode(), forged.rstrip(".").encode(), hashlib.sha256)
    signed = forged + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    refused = refusal(by_secret(), f"Bearer {signed}")
    assert "No key here verifies" in refused or "no JSON Web Token" in refused


def test_a_public_key_is_no_secret() -> None:
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
        ({"exp": 1}, "The token has expired."),
        ({"nbf": 2**33}, "The token is not valid yet (`nbf` or `iat` lies ahead)."),
        ({"iat": 2**33}, "The token is not valid yet (`nbf` or `iat` lies ahead)."),
        ({"exp": None}, "The token lacks `exp`."),
        ({"iat": None}, "The token lacks `iat`."),
        ({"sub": None}, "The token lacks `sub`."),
        ({"aud": "others"}, "The token is for another audience (`aud`)."),
        ({"aud": None}, "The token lacks `aud`."),
        ({"iss": "others"}, "The token is of another issuer (`iss`)."),
        ({"iss": None}, "The token lacks `iss`."),
        ({"role": None}, "The token's `role` is none of admin, member, service."),
        ({"role": "root"}, "The token's `role` is none of admin, member, service."),
        ({"role": ["admin"]}, "The token's `role` is none of admin, member, service."),
        ({"role": None, "extras": {"role": "admin"}}, "The token's `role` is none of"),
        ({"sub": "alice"}, "The token's `sub` is no user's id: it must be a whole number"),
        ({"sub": "07"}, "The token's `sub` is no user's id: it must be a whole number"),
        ({"exp": "soon"}, "The token's claims cannot be used."),
        ({"exp": 1e300}, "The token's claims cannot be used."),
    ],
)
def test_a_claim_that_is_not_good(changes: dict[str, Any], reason: str) -> None:
    """Each claim that is missing, over, not yet good or not for us is 401 with that reason."""
    found = by_secret(jwt_audience="analytics", jwt_issuer="login")
    fitting = {"aud": ["analytics", "else"], "iss": "login"}
    assert found.principal(HS256.bearer(**fitting))
    assert refusal(found, HS256.bearer(**(fitting | changes))).startswith(reason)


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
    """No header, another scheme and what is no token are 401."""
    assert refusal(by_secret(), authorization)
    assert refusal(by_secret(), HS256.bearer().replace("Bearer", "Token"))
    assert by_secret().principal(HS256.bearer().replace("Bearer", "bearer"))


def test_a_number_as_sub_is_refused() -> None:
    """RFC 7519 wants a string as `sub`; a token with a number is 401 and not user 7."""
    # PyJWT refuses to make one.
    body = f"{_part({'alg': 'HS256'})}.{_part(_claims() | {'sub': 7})}"
    signature = hmac.digest(SECRET.encode(), body.encode(), hashlib.sha256)
    token = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert refusal(by_secret(), f"Bearer {token}")


def test_a_changed_payload_is_refused() -> None:
    """A member who makes himself an administrator has no good signature."""
    head, _, signature = HS256.token().split(".")
    assert refusal(by_secret(), f"Bearer {head}.{_part(_claims())}.{signature}") == (
        "The signature is not that of our key."
    )


def test_a_verified_token_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is checked once; what was refused is checked each time."""
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


def test_a_remembered_token_ends() -> None:
    """A token that was good a moment ago is 401 from its `exp` on."""
    found, token = by_secret(), HS256.bearer(exp=int(time.time()) + 2)
    asker = found.principal(token)
    while time.time() < asker.expires_at:
        try:
            assert found.principal(token) is asker
        except NotAuthorizedException:
            break
        time.sleep(0.05)
    assert time.time() >= asker.expires_at
    assert refusal(found, token) == "The token has expired."


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens come, no more than the bound are remembered, and all are answered."""
    monkeypatch.setattr(auth, "_CACHED_TOKENS_MAX", 10)
    found = by_secret()
    for number in range(100):
        assert found.principal(HS256.bearer(sub=str(number))).subject == str(number)
        assert len(found._verified) <= 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no key is set"),
        ({"jwt_secret": Hidden("a" * 31)}, "JWT_SECRET is shorter than 32 bytes"),
        ({"jwt_public_key": "nowhere.pem"}, "neither a PEM text nor a file"),
        ({"jwt_public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n"}, "holds no public key"),
        ({"jwt_jwks_file": Path("nowhere.json")}, "is no JSON Web Key Set"),
    ],
)
def test_no_good_key_no_start(settings: dict[str, Any], message: str) -> None:
    """Without a key, or with one that is too weak or is none, there is no verifier."""
    with pytest.raises(SettingsError, match=message):
        verifier(**settings)


def test_weak_and_strange_keys_are_refused(tmp_path: Path) -> None:
    """A short RSA key, another curve and a private key are refused, and nothing of it is shown."""
    weak = Signer("RS256", rsa.generate_private_key(public_exponent=65537, key_size=1024), "w")
    other = Signer("ES256", ec.generate_private_key(ec.SECP384R1()), "o")
    for signer in (weak, other):
        with pytest.raises(SettingsError, match="of a kind that is not taken"):
            verifier(jwt_public_key=signer.pem)
        write_jwks(tmp_path / "jwks", signer)
        with pytest.raises(SettingsError, match="has no key for RS256, ES256 or EdDSA"):
            verifier(jwt_jwks_file=tmp_path / "jwks")
    key = Signer.new("ES256").private
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(SettingsError) as caught:
        verifier(jwt_public_key=pem)
    assert not any(line in str(caught.value) for line in pem.splitlines()[1:-1])


def test_a_key_set_holds_no_secret(tmp_path: Path) -> None:
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
def test_a_token_made_here_is_good(role: Role) -> None:
    """What `make_token` signs is taken, with the audience and the issuer that are asked for."""
    settings = Settings(jwt_secret=Hidden(SECRET), jwt_audience="a", jwt_issuer="i")
    now = datetime.now(UTC)
    token = make_token(settings, subject="7", role=role, lifetime=timedelta(days=30), now=now)
    asker = Verifier.from_settings(settings).principal(f"Bearer {token}")
    assert (asker.subject, asker.role) == ("7", role)
    assert asker.expires_at == int(now.timestamp()) + 30 * 86_400


def test_no_token_is_made_that_would_be_refused() -> None:
    """A member who is no user, and a missing or short secret, are told before there is a token."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for settings, subject, message in [
        (Settings(), "7", "JWT_SECRET is not set"),
        (Settings(jwt_secret=Hidden("short")), "7", "shorter than 32 bytes"),
        (Settings(jwt_secret=Hidden(SECRET)), "alice", "'alice' is no user's id"),
    ]:
        with pytest.raises(SettingsError, match=message):
            make_token(settings, subject=subject, role=Role.MEMBER, lifetime=hour, now=now)


@get("/whoami")
async def whoami(request: Request[Principal, None, Any]) -> str:
    """Say who asks."""
    return f"{request.user.role} {request.user.subject}"


@get("/posted", guards=[only_for(Role.ADMIN, Role.SERVICE)])
async def posted() -> str:
    """For two of the roles."""
    return "posted"


@get("/open", opt={PUBLIC: True})
async def opened() -> str:
    """For everybody."""
    return "open"


def test_the_middleware() -> None:
    """A request without a good token is 401, with one it has its asker, and guards are kept."""
    app = Litestar([whoami, posted, opened], middleware=[AuthenticationMiddleware(by_secret())])
    with TestClient(app) as client:
        assert client.get("/whoami").status_code == 401
        assert client.get("/open").text == "open"
        expected = {Role.ADMIN: 200, Role.SERVICE: 200, Role.MEMBER: 403}
        for role, status in expected.items():
            headers = {"Authorization": HS256.bearer(role=role)}
            assert client.get("/whoami", headers=headers).text == f"{role} 7"
            assert client.get("/posted", headers=headers).status_code == status


def test_a_header_that_is_sent_twice_is_none() -> None:
    """Of two tokens neither is believed: a proxy before us may have looked at the other one."""
    one, other = ((b"authorization", HS256.bearer(role=r).encode()) for r in ("member", "admin"))
    scope: Any = {"headers": [one]}
    assert authorization_of(scope) == one[1].decode()
    for headers in ([one, other], []):
        scope = {"headers": headers}
        assert authorization_of(scope) is None
