"""The Dockerfile of .deploy as instructions, and its steps without Docker.

`python -m tests.dockerfile` runs what the Dockerfile runs, as another account where this one is
root: the installation from the locks, the wheel, and then the program on a read-only tree. It needs
a package index and takes a minute, so no test does it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / ".deploy" / "Dockerfile"
# Has no files, groups or rights of its own.
_ACCOUNT = "nobody"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each on one line."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in text.splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, _, rest in pairs]


def json_words(name: str) -> list[str]:
    """The words of an instruction in exec form."""
    (found,) = [rest for each, rest in instructions() if each == name]
    words: list[str] = yaml.safe_load(found[found.index("[") :])
    return words


class Steps:
    """The steps of the image below a directory, which stands for `/`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._account = _ACCOUNT if os.geteuid() == 0 else None
        (root / "bin").mkdir()
        # One that another account can run: that of this process may be in root's home.
        python = shutil.which("python3", path="/usr/local/bin:/usr/bin") or sys.executable
        (root / "bin" / "python").symlink_to(Path(python).resolve())
        self._give(root)

    def build(self) -> None:
        """The first stage; its sources are gone afterwards, as in the image."""
        found = instructions()
        stages = [number for number, (name, _) in enumerate(found) if name == "FROM"]
        for name, rest in found[stages[0] : stages[1]]:
            if name == "COPY":
                self._copy(shlex.split(rest))
            elif name == "RUN":
                here = re.sub(r"(?<= )/(?=(opt|src|dist)\b)", f"{self._root}/", f" {rest}")
                self.run(["sh", "-c", here.strip()], PIP_QUIET="1")
        shutil.rmtree(self._root / "src")

    def run(self, command: Sequence[str], *, expected: int = 0, **variables: str) -> None:
        """Run a command as the account.

        Raises:
            SystemExit: it ends with another exit code.
        """
        print(f"$ {shlex.join(command)}".replace(str(self._root), ""), flush=True)
        path = f"{self._root}/opt/messenger-analytics/bin:{self._root}/bin:/usr/bin:/bin"
        source = self._root / "src"
        ended = subprocess.run(
            command,
            cwd=source if source.exists() else self._root,
            user=self._account,
            extra_groups=[] if self._account else None,
            env={"PATH": path, "HOME": str(self._root), **self._index(), **variables},
        )
        if ended.returncode != expected:
            sys.exit(f"exit code {ended.returncode}, not {expected}")

    def _copy(self, words: Sequence[str]) -> None:
        *names, target = words
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *names]
        files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in files.splitlines():
            # `COPY a/b ./` drops the folder, and `COPY a a` keeps what is below it.
            inside = Path(name).name if target == "./" else name
            copied = self._root / "src" / inside
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copied)
        self._give(self._root / "src")

    def _give(self, directory: Path) -> None:
        if self._account is not None:
            for path in (directory, *directory.rglob("*")):
                shutil.chown(path, self._account)

    def _index(self) -> dict[str, str]:
        """Where this machine's pip looks for packages."""
        kept = ("PIP_", "SSL_", "REQUESTS_")
        return {name: value for name, value in os.environ.items() if name.startswith(kept)}


def main() -> None:
    """Run the steps, and then the program as the image starts it."""
    with tempfile.TemporaryDirectory(prefix="image-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        steps = Steps(root)
        steps.build()
        program, *_ = json_words("ENTRYPOINT")
        data = {"DATA_DIR": str(root / "data")}
        steps.run(["chmod", "-R", "a-w", str(root / "opt")])
        steps.run([program, "--version"])
        steps.run([program, "source", "role"])
        steps.run([program, "token", "--sub", "me", "--role", "admin"], JWT_SECRET="x" * 32)
        steps.run([program, "status"], expected=2, **data)
        steps.run(json_words("HEALTHCHECK"), expected=1, **data)
        steps.run(["chmod", "-R", "u+w", str(root / "opt")])


if __name__ == "__main__":
    main()
