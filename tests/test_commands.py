"""The command `messenger-analytics`: what it offers, how it is typed, help, colours, completion."""

from __future__ import annotations

import argparse
import ast
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from api.auth import Role
from api.commands import COMMANDS as API_COMMANDS
from api.commands import ROLES
from etl.commands import COMMANDS as ETL_COMMANDS
from olap import commands
from olap.commands import MAKE_TARGETS, PROGRAM, Command, call, every_command, how_to_install
from tests.fix_pipeline import Pipeline
from tests.test_readme import READMES
from tests.world import World

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    PROGRAM: tuple(every_command()),
    "python -m etl": ETL_COMMANDS,
    "python -m api": API_COMMANDS,
    "python -m olap": commands.COMMANDS,
}
EXAMPLES = [
    pytest.param(program, command, given, id=f"{program} {command.name} {given}")
    for program, known in PROGRAMS.items()
    for command in known
    for given in command.examples
]
# Nothing of this is needed to print help or to complete a word.
HEAVY = {"duckdb", "polars", "pyarrow", "psycopg", "adbc_driver_postgresql", "litestar", "uvicorn"}
START = "import sys; from olap.commands import main; sys.exit(main())"


def environment(**variables: str) -> dict[str, str]:
    """The variables of this process, without those that change colours."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return kept | variables


def run(
    *arguments: str, cwd: Path = ROOT, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=cwd,
        env=environment(PYTHONPATH=str(ROOT), **(variables or {})),
        capture_output=True,
        text=True,
    )


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """What the command prints on a terminal."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", START, *arguments],
        cwd=ROOT, env=environment(TERM="xterm-256color", **variables), stdout=end, stderr=end,
    )  # fmt: skip
    os.close(end)
    output = b""
    while True:
        try:
            output += os.read(terminal, 65_536)
        except OSError:  # the process has ended
            break
    os.close(terminal)
    process.wait()
    return output.decode()


def test_one_command_offers_everything() -> None:
    """The commands of all packages are registered, each under one name."""
    names = [command.name for command in every_command()]
    assert sorted(names) == [
        "api", "backfill", "catalog", "check", "completion", "demo", "engine metric",
        "engine rollups", "erase", "etl", "publish", "rebuild", "shell", "source check",
        "source copy", "source install", "source role", "source uninstall",
        "status", "token", "verify",
    ]  # fmt: skip


@pytest.mark.parametrize("command", every_command(), ids=lambda command: command.name)
def test_what_runs_a_command_exists(command: Command) -> None:
    """Each declaration names a function, in the package that declares it."""
    assert callable(command.load())
    declared_in = next(p for p, known in PROGRAMS.items() if p != PROGRAM and command in known)
    assert command.target.startswith(declared_in.removeprefix("python -m "))


@pytest.mark.parametrize(("program", "command", "given"), EXAMPLES)
def test_every_example_parses(program: str, command: Command, given: str) -> None:
    """The arguments of each example are arguments of its command."""
    word = command.name
    if program != PROGRAM and command.name_in_package is not None:
        word = command.name_in_package
    parser = commands.parser(program, PROGRAMS[program])
    assert parser.parse_args([*word.split(), *shlex.split(given)]).command is command


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_help_shows_examples_and_defaults(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command has one line about it, examples, and the default of each value."""
    parser = commands.parser(program, PROGRAMS[program])
    for command in PROGRAMS[program]:
        word = command.name if program == PROGRAM else (command.name_in_package or command.name)
        if command.name_in_package == "" and program != PROGRAM:
            word = ""
        with pytest.raises(SystemExit):
            parser.parse_args([*word.split(), "--help"])
        text = capsys.readouterr().out
        assert f"examples:\n  {f'{program} {word}'.rstrip()}" in text
        one = next(iter(command.examples))
        assert f"{f'{program} {word}'.rstrip()} {one}".rstrip() in text
        own = argparse.ArgumentParser()
        command.arguments(own)
        for action in own._actions:
            assert action.help, action
            takes_value = action.option_strings and action.nargs != 0 and not action.required
            assert not takes_value or "default:" in action.help, action


def test_help_loads_no_database_driver_and_no_framework() -> None:
    """Help of every command imports neither the drivers nor the web framework."""
    code = (
        "import sys\nfrom olap.commands import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    for arguments in (["--help"], ["etl", "--help"], ["api", "--help"], ["--version"]):
        finished = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        loaded = {name.split(".")[0] for name in finished.stderr.split()}
        assert "argparse" in loaded and loaded & HEAVY == set()


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [(("token", "--role", "admin", "--sub", "a"), "etl"), (("status",), "api")],
)
def test_a_command_loads_only_its_own_package(arguments: tuple[str, ...], unwanted: str) -> None:
    """The API runs without the pipeline and its driver, the pipeline without the web framework."""
    code = (
        "import sys\nfrom olap.commands import main\nmain(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=environment(JWT_SECRET="x" * 32), capture_output=True, text=True,
    )  # fmt: skip
    loaded = set(finished.stderr.split("\n")[-2].split())
    only_declared = {unwanted, f"{unwanted}.commands"}
    assert {name for name in loaded if name.split(".")[0] == unwanted} == only_declared
    assert not loaded & ({"adbc_driver_postgresql"} if unwanted == "etl" else {"litestar"})


def test_the_roles_of_tokens_are_those_of_the_api() -> None:
    """The declaration lists the roles that the API knows, without importing it."""
    assert set(ROLES) == {role.value for role in Role}


@pytest.mark.parametrize("name", MAKE_TARGETS)
def test_each_make_target_runs_its_command(name: str) -> None:
    """`make` runs the command that a hint of a checkout stands for."""
    typed = commands.parser(PROGRAM, every_command()).parse_args(name.split())
    assert vars(typed_by_make(MAKE_TARGETS[name])) == vars(typed)


def typed_by_make(*words: str) -> argparse.Namespace:
    """What the program gets from `make` with a target and variables."""
    # The tests may run under `make` themselves.
    own = {k: v for k, v in environment().items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    printed = subprocess.run(
        ["make", "-n", *words], cwd=ROOT, env=own, capture_output=True, text=True, check=True
    ).stdout
    package, given = re.findall(r"-m (etl|api|olap)\b([^>&]*)", printed)[-1]
    program = f"python -m {package}"
    given = given.replace("\\\n", " ")
    return commands.parser(program, PROGRAMS[program]).parse_args(shlex.split(given))


def calls() -> Iterator[str]:
    """The commands that the product's hints and texts name."""
    for folder in ("olap", "etl", "api"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "call":
                    (argument,) = node.args
                    if isinstance(argument, ast.Constant):
                        yield str(argument.value)


@pytest.mark.parametrize("command", sorted(set(calls())))
def test_every_command_in_a_hint_can_be_typed(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint is a command of this program and, in a checkout, a target that passes the same."""
    installed = commands.parser(PROGRAM, every_command()).parse_args(shlex.split(command))
    monkeypatch.chdir(ROOT)
    words = shlex.split(call(command))
    assert words[0] == "make"
    made = typed_by_make(*words[1:])
    assert vars(made) == vars(installed)
    monkeypatch.chdir(tmp_path)
    assert call(command) == f"{PROGRAM} {command}"


def test_the_hints_name_a_dozen_commands() -> None:
    """The test above sees the hints."""
    assert {"etl --full --yes", "verify --repair", "shell", "publish"} <= set(calls())


def texts(source: str) -> Iterator[str]:
    """The texts of a module, but for its docstrings."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield node.value if isinstance(node.value, str) else ""


def typed_by_hand(text: str) -> bool:
    """Whether a text names a command as only some installations have it."""
    return re.search(r"python3? -m (etl|api|olap)\b(?!$)|[`\"]make |\brun make ", text) is not None


def test_no_text_names_a_command_by_hand() -> None:
    """Outside `olap/commands.py` no text says `make …` or `python -m …`."""
    found = {
        f"{path.relative_to(ROOT)}: {text}"
        for folder in ("olap", "etl", "api")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(commands.__file__)
        for text in texts(path.read_text(encoding="utf-8"))
        if typed_by_hand(text)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ('x = "Run `make etl`."', True),
        ('x = f"{a}: `python -m etl verify` {b}"', True),
        ('"""`make etl`"""', False),
        ('def f():\n    """`python -m etl run`"""', False),
        ('x = "what can make numbers wrong"', False),
        ('main("python -m etl")', False),
    ],
)
def test_the_scan_of_texts_sees(source: str, is_found: bool) -> None:
    """The scan finds commands in texts and f-strings, and not in docstrings or plain words."""
    assert any(map(typed_by_hand, texts(source))) is is_found


def test_elsewhere_no_output_names_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outside a checkout errors and hints name this program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@127.0.0.1:1/x")
    for command in ("shell", "check", "publish", "rebuild", "verify", "status", "etl"):
        assert commands.run(PROGRAM, every_command(), [command]) != 0
        printed = "".join(capsys.readouterr())
        assert not re.search(r"`make |python -m", printed), command
        assert command not in ("check", "shell", "verify") or f"`{PROGRAM} etl`" in printed


def test_another_makefile_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the directory of somebody else's Makefile the command is this program's."""
    (tmp_path / "Makefile").write_text("etl:\n")
    monkeypatch.chdir(tmp_path)
    assert call("etl") == f"{PROGRAM} etl"
    assert "uv tool install 'WHEEL[sandbox]'" in how_to_install("sandbox")
    monkeypatch.chdir(ROOT)
    assert "make setup" in how_to_install("sandbox")


def test_colours_are_for_terminals(tmp_path: Path) -> None:
    """Help and errors have colours on a terminal, none with NO_COLOR, and none in a pipe."""
    nothing = {"DATA_DIR": str(tmp_path)}
    for arguments in (["--help"], ["check"]):
        shown = on_a_terminal(*arguments, **nothing)
        assert "\x1b[3" in shown, arguments
        assert "\x1b" not in on_a_terminal(*arguments, NO_COLOR="1", **nothing)
        piped = run(*arguments, variables=nothing | {"TERM": "xterm-256color"})
        assert "\x1b" not in piped.stdout + piped.stderr
        assert piped.stdout + piped.stderr


def test_the_version_is_that_of_the_project() -> None:
    """`--version` prints the version of pyproject.toml."""
    declared = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert declared is not None
    assert run("--version").stdout == f"{PROGRAM} {declared[1]}\n"


@pytest.mark.parametrize("shell", commands.SHELLS)
def test_each_shell_gets_its_completion(shell: str) -> None:
    """`completion` prints a script for the shell that names the program."""
    finished = run("completion", shell)
    assert finished.returncode == 0
    assert PROGRAM in finished.stdout and "_ARGCOMPLETE" in finished.stdout


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    """With the printed script bash completes commands, parts and options."""
    (tmp_path / "completion").write_text(run("completion", "bash").stdout)
    program = tmp_path / PROGRAM
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom olap.commands import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    script = f"""
    . ./completion
    try() {{
        COMP_LINE="$*" COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9 COMP_WORDBREAKS=$' \\t\\n'
        COMP_POINT=${{#COMP_LINE}}
        _python_argcomplete {PROGRAM}
        echo "${{COMPREPLY[@]}}"
    }}
    try "{PROGRAM} sta"
    try "{PROGRAM} source c"
    try "{PROGRAM} verify --re"
    try "{PROGRAM} token --role m"
    """
    finished = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True,
        env=environment(PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert [line.strip() for line in finished.stdout.splitlines()] == [
        "status",
        "check copy",
        "--repair",
        "member",
    ], finished.stderr


def test_the_shell_is_duckdbs_own(pipeline: Pipeline) -> None:
    """`shell` opens the published file in DuckDB, read-only, and passes arguments on."""
    with World(pipeline.url) as world:
        world.message()
    pipeline.cycle()
    directory = {"DATA_DIR": str(pipeline.layout.root)}
    counted = run(
        "shell", "-c", "select count(*) as n from messages", "--", "-csv", variables=directory
    )
    assert counted.stdout == "n\n1\n", counted.stderr
    refused = run("shell", "-c", "create table t (a int)", variables=directory)
    assert "read-only" in refused.stderr


def test_without_duckdbs_shell_the_error_says_how_to_get_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no `duckdb` is installed, the error names the extra."""
    pipeline.cycle()
    monkeypatch.setenv("DATA_DIR", str(pipeline.layout.root))
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert commands.run("python -m olap", commands.COMMANDS, ["shell"]) == 2
    printed = capsys.readouterr().err
    assert "program duckdb, is not installed" in printed and "the extra `shell`" in printed


def test_a_mapping_can_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`source copy` makes a folder that is a mapping, and does not replace one."""
    monkeypatch.chdir(tmp_path)

    def printed(*arguments: str, mapping: str = "messenger") -> str:
        monkeypatch.setenv("SOURCE_MAPPING", mapping)
        commands.run(PROGRAM, every_command(), ["source", *arguments])
        return "".join(capsys.readouterr())

    assert "SOURCE_MAPPING=./chat" in printed("copy", "example", "chat")
    assert printed("role", mapping="./chat") == printed("role", mapping="example")
    assert "chat exists already" in printed("copy", "example", "chat")


def test_every_documented_command_parses() -> None:
    """Each `messenger-analytics …` in the READMEs is a command with arguments that it takes."""
    parser = commands.parser(PROGRAM, every_command())
    found = [
        typed
        for text in READMES.values()
        for typed in re.findall(rf"(?<![/\w.\[(@-]){PROGRAM} ([a-z][^\n`|#)]*)", text)
    ]
    assert len(found) > 30
    for typed in found:
        words = shlex.split(typed.strip().rstrip("…").replace("'", ""))
        stop = next((i for i, word in enumerate(words) if word in ("in", "&&")), len(words))
        parser.parse_args(words[:stop])


def test_this_python_has_the_shell_that_reads_the_file() -> None:
    """DuckDB's Python package has no shell of its own, so the extra is needed."""
    assert (
        not hasattr(duckdb, "shell") and not (Path(duckdb.__file__).parent / "__main__.py").exists()
    )
