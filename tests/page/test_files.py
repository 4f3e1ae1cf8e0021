"""The files of the page as served: headers, digests, the budget, and what is not in them."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.compression import codings_of
from api.negotiation import Coding
from api.pages import serving
from api.pages.minify import is_installed, minified
from api.pages.serving import DASHBOARD
from tests.api.fix_api import Api, api_settings
from tests.api.test_document import Page
from tests.fix_pipeline import Pipeline
from tests.page.fix_browser import ROOT

# Of everything that a first visit loads, as gzip.
BUDGET_BYTES = 40_000
# A page with a file of each kind.
SMALL_PAGE = {
    "index.html": "<p>",
    "main.js": 'import { a } from "./lib/a.js";\na(import("./later.js"));\n',
    "lib/a.js": "export const a = 1;\n",
    "later.js": "export const b = 1;\n",
    "css/base.css": "a {\n}\n",
    "vendor/preact.js": "export {};\n",
    "vendor/preact.license.txt": "MIT\n",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'"
)
# What runs text as code, or makes HTML of text; and styles in attributes, which the policy refuses.
FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser"
    r"|\beval\b|new Function|javascript:|style=\"|setAttribute\(\"style|cssText|createPolicy"
)


@pytest.fixture(scope="module")
def below_chat(small_site: Pipeline) -> Iterator[TestClient[Litestar]]:
    """The application below /chat."""
    with TestClient(create_app(api_settings(small_site, root_path="/chat"))) as client:
        yield client


def urls_of(client: TestClient[Litestar], path: str = "/") -> list[str]:
    """What the page at this path loads."""
    answer = client.get(path)
    assert answer.status_code == 200
    page = Page(answer.text)
    assert page.inline == [] and len(page.loaded) == 4
    return page.loaded


def files_of(client: TestClient[Litestar]) -> dict[str, httpx.Response]:
    """Everything that the page loads, by name."""
    found = {url.rpartition("/")[2]: client.get(f"/{url}") for url in urls_of(client)}
    assert set(found) == {"favicon.svg", "page.css", "preact.js", "page.js"}
    return found


def all_files_of(client: TestClient[Litestar]) -> dict[str, httpx.Response]:
    """The same, and what it may load later."""
    names = serving.loaded()
    digest = serving.digest_of(names)
    return files_of(client) | {name: client.get(f"/page/{digest}/{name}") for name in names}


def test_the_page_is_asked_for_each_time(small_api: Api) -> None:
    """It needs no token, is not kept without asking, and is 304 while it is the same."""
    answer = small_api.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    tag = answer.headers["etag"]
    again = small_api.client.get("/", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert small_api.client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_what_the_page_loads_is_kept_for_ever(small_api: Api) -> None:
    """Each file has the digest of all in its URL, its type, and a year in the browser's cache."""
    types = {"page.js": "text/javascript", "preact.js": "text/javascript", "page.css": "text/css"}
    digest = serving.digest_of(serving.loaded())
    found = files_of(small_api.client)
    for name, type_ in types.items():
        answer = found[name]
        assert answer.url.path == f"/page/{digest}/{name}"
        assert answer.headers["content-type"] == f"{type_}; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        known = {"If-None-Match": answer.headers["etag"]}
        assert small_api.client.get(answer.url.path, headers=known).status_code == 304
    assert found["favicon.svg"].headers["cache-control"] == "public, max-age=3600"
    license_ = small_api.client.get(f"/page/{digest}/preact.license.txt")
    assert license_.text.startswith("The MIT License (MIT)")
    assert "preact.license.txt" in found["preact.js"].text.partition("\n")[0]


def test_another_digest_and_another_name_are_not_found(small_api: Api) -> None:
    """A file of another version is never served, so that a page does not mix two."""
    digest = serving.digest_of(serving.loaded())
    for path in (f"/page/{'0' * 20}/page.js", f"/page/{digest}/main.js", f"/page/{digest}/../x"):
        answer = small_api.client.get(path)
        assert answer.status_code == 404
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("coding", Coding)
def test_files_are_compressed(small_api: Api, coding: Coding) -> None:
    """A file is sent in the coding that is asked for, if that is shorter, each with its own tag."""
    client = small_api.client
    for url in urls_of(client):
        plain = client.get(f"/{url}", headers={"Accept-Encoding": "identity"})
        expected = codings_of(plain.content)
        with client.stream("GET", f"/{url}", headers={"Accept-Encoding": coding}) as answer:
            body = b"".join(answer.iter_raw())
        assert body == expected.get(coding, plain.content)
        assert len(plain.content) < 1024 or coding in expected
        is_coded = coding in expected and coding is not Coding.IDENTITY
        assert answer.headers.get("content-encoding") == (coding if is_coded else None)
        assert (answer.headers["etag"] != plain.headers["etag"]) is is_coded


def test_the_budget(small_api: Api) -> None:
    """A first visit loads at most 40 KB, without the numbers."""
    if not is_installed():
        pytest.skip("tdewolff-minify has no wheel for this machine")
    sizes = {"/": len(gzip.compress(small_api.client.get("/").content))}
    sizes |= {n: len(gzip.compress(one.content)) for n, one in files_of(small_api.client).items()}
    print(sizes, sum(sizes.values()))
    assert sum(sizes.values()) <= BUDGET_BYTES, sizes


@pytest.fixture
def small_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a small page, which is served instead of ours."""
    folder = tmp_path / "dashboard"
    for name, text in SMALL_PAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(serving, "DASHBOARD", folder)
    return folder


@pytest.mark.parametrize("name", [name for name in SMALL_PAGE if name != "index.html"])
def test_the_digest_is_of_every_file(small_page: Path, name: str) -> None:
    """When any file changes, the URLs of all change, also of a script that is loaded later."""
    files = serving.loaded()
    assert {"page.js", "later.js"} < set(files)
    before = serving.digest_of(files)
    assert serving.digest_of(serving.loaded()) == before
    with (small_page / name).open("a") as file:
        file.write("changed { color: red; }\n" if name.endswith(".css") else "changed();\n")
    assert serving.digest_of(serving.loaded()) != before


def test_scripts_do_the_same_when_they_are_short() -> None:
    """Names within a function change; those of exports, of fields and of texts do not."""
    script = "const $a=(()=>{const long=1;\nreturn{long,other:`long`};\n})();\nexport{$a};\n"
    short = minified({"page.js": (script, "text/javascript")})["page.js"]
    assert len(short) <= len(script)
    quickjs = pytest.importorskip("quickjs", reason="quickjs-ng has no wheel for this machine")
    context = quickjs.Context()
    context.eval(short.replace("export{$a}", "globalThis.$a=$a"))
    assert context.eval("JSON.stringify($a)") == '{"long":1,"other":"long"}'


def test_a_style_sheet_without_a_place_is_an_error(small_page: Path) -> None:
    """The order of the style sheets is decided for each of them."""
    (small_page / "css/other.css").write_text("a {}")
    with pytest.raises(ValueError, match=r"no place is decided for the style sheets \['other'\]"):
        serving.loaded()


def test_the_vendored_files_are_those_of_their_package() -> None:
    """They have the digests that are written down; where npm has installed the package, its files
    are the same."""
    vendor = DASHBOARD / "vendor"
    lines = (vendor / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    for name, digest in sums.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest
    assert {path.name for path in vendor.iterdir()} == {*sums, "SHA256SUMS", "preact.d.ts"}
    package = ROOT / "build/page-tools/node_modules/preact"
    if package.exists():
        assert (package / "dist/preact.mjs").read_bytes() == (vendor / "preact.js").read_bytes()
        assert '"version": "11.2.0"' in (package / "package.json").read_text()


def test_nothing_leads_elsewhere_and_no_text_becomes_code(small_api: Api) -> None:
    """No file names another server, makes HTML or a script of a text, or has a style in an
    attribute. Preact does where it is told to, by a property that the check refuses."""
    files = all_files_of(small_api.client)
    files["/"] = small_api.client.get("/")
    for name, answer in files.items():
        if name != "preact.js":
            assert re.findall(FORBIDDEN, answer.text, re.IGNORECASE) == [], name
        text = answer.text.replace("http://www.w3.org/", "")  # names of namespaces
        assert re.findall(r"(?:https?:|[\"'(])//[\w.]+", text) == [], name


@pytest.mark.parametrize(
    "text",
    [
        "a.innerHTML = b", 'h("p", { dangerouslySetInnerHTML: { __html: b } })', "eval(b)",
        'new Function("b")', 'a.href = "javascript:b()"', '<p style="color: red">',
        'a.setAttribute("style", b)', "document.write(b)",
    ],
)  # fmt: skip
def test_the_check_for_text_as_code_detects_it(text: str) -> None:
    """Each way is detected."""
    assert re.search(FORBIDDEN, text, re.IGNORECASE)


@pytest.mark.parametrize("path", ["/chat", "/chat/", "/"])
def test_the_page_works_below_the_path_of_a_proxy(
    below_chat: TestClient[Litestar], path: str
) -> None:
    """Its URLs lead there with and without a slash at the end, kept or stripped by the proxy."""
    for url in urls_of(below_chat, path):
        assert url.startswith("/chat/")
        assert below_chat.get(url).status_code == 200
        assert below_chat.get(url.removeprefix("/chat")).status_code == 200


def test_without_a_path_the_urls_are_relative(small_api: Api) -> None:
    """So that a proxy may add a path of which nothing is set."""
    assert [url for url in urls_of(small_api.client) if url.startswith("/")] == []


def test_everything_has_the_policy_of_the_page(small_api: Api) -> None:
    """The page, its files, the page of the API, and answers have one policy, and no other page may
    show them or hold a handle on their windows."""
    client = small_api.client
    answers = [client.get(path) for path in ("/", "/docs", "/nothing")]
    answers += [*files_of(client).values(), small_api.admin().get("/engagement")]
    for answer in answers:
        assert answer.headers.get_list("content-security-policy") == [POLICY]
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_pages_of_a_setting_may_show_the_page(small_site: Pipeline) -> None:
    """FRAME_ANCESTORS names them, and changes nothing else of the policy."""
    origins = ("https://chat.example", "https://desk.example:8443")
    with TestClient(create_app(api_settings(small_site, frame_ancestors=origins))) as client:
        found = client.get("/").headers["content-security-policy"]
        refused = client.get(f"{PREFIX}/engagement").headers["content-security-policy"]
    expected = POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(origins)}")
    assert found == refused == expected
