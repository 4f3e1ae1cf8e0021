"""The command line: `messenger-analytics COMMAND`, and `python -m PACKAGE` for the commands of one.

Each package declares its commands (`COMMANDS` of its module `commands`, an entry point), so no
package imports another for them. A declaration is light: what runs a command is named as text and
imported after the arguments are parsed, so `--help` loads no database driver and no web framework.

`call` is the one place that knows how a command is typed in this installation, and every hint and
printed text uses it: with `make` in a checkout, else as `messenger-analytics …`.

Exit codes: 0 done, 1 an error that says what to do next, 2 a wrong command or setting; `status`
exits with 0, 1 or 2 for OK, WARNING or CRITICAL.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, ClassVar

from rich_argparse import RawDescriptionRichHelpFormatter

PROGRAM = "messenger-analytics"
SHELLS = ("bash", "zsh", "fish")

_GROUP = "messenger_analytics.commands"
_ROOT = Path(__file__).resolve().parent.parent
# Targets of the Makefile, by the command that they run.
MAKE_TARGETS = {
    "etl": "etl",
    "backfill": "backfill",
    "api": "serve",
    "demo": "demo",
    "shell": "shell",
    "status": "status",
    "verify": "verify",
    "check": "check",
    "source check": "check-source",
    "source install slot": "install-slot",
    "source install log": "install-log",
    "source uninstall slot": "uninstall-slot",
    "source uninstall log": "uninstall-log",
    "catalog": "catalog",
    "rebuild": "rebuild",
    "publish": "publish",
}


def _nothing(_: argparse.ArgumentParser) -> None:
    """A command without arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        name: its words, such as `source check`.
        about: what it does, one line without a capital or a full stop.
        target: `module:function` that runs it with `Settings` and the parsed arguments, and returns
            the exit code; without settings if the function is of this module.
        examples: arguments, each with what it does.
        arguments: adds its arguments to a parser.
        name_in_package: its name in `python -m PACKAGE`; empty for what runs without a command.
    """

    name: str
    about: str
    target: str
    examples: Mapping[str, str]
    arguments: Callable[[argparse.ArgumentParser], None] = field(default=_nothing)
    name_in_package: str | None = None

    def load(self) -> Callable[..., int]:
        """The function that runs it."""
        module, _, function = self.target.partition(":")
        loaded: Callable[..., int] = getattr(import_module(module), function)
        return loaded


def call(command: str) -> str:
    """How a person types a command here.

    Args:
        command: name and arguments, such as `verify --repair`.

    Returns:
        In the directory of a checkout `make verify REPAIR=1`; elsewhere with this program's name.
    """
    name = max((n for n in MAKE_TARGETS if f"{command} ".startswith(f"{n} ")), key=len, default="")
    if not name or not is_checkout():
        return f"{PROGRAM} {command}"
    given = command.removeprefix(name).split(" --")[1:]
    pairs = (option.partition(" ") for option in given)
    variables = [f"{option.upper()}={value or 1}" for option, _, value in pairs]
    return " ".join(["make", MAKE_TARGETS[name], *variables])


def how_to_install(extra: str) -> str:
    """A sentence: how to install an extra, which a command needs."""
    if is_checkout():
        return f"Run `make setup`, which installs the extra `{extra}` too."
    return (
        f"Install {PROGRAM} with the extra `{extra}`: `uv tool install 'WHEEL[{extra}]'`, where "
        "WHEEL is what you installed it from."
    )


def is_checkout() -> bool:
    """Whether this program runs in the directory of its own checkout, where `make` works."""
    own, here = _ROOT / "Makefile", Path("Makefile")
    return own.exists() and here.exists() and own.samefile(here)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of any package; returns the exit code of the process."""
    return run(PROGRAM, every_command(), arguments)


def every_command() -> list[Command]:
    """The commands of all packages."""
    return [command for point in metadata.entry_points(group=_GROUP) for command in point.load()]


def run(program: str, commands: Iterable[Command], arguments: Sequence[str] | None = None) -> int:
    """Run one of these commands; returns the exit code of the process.

    Args:
        program: its name in help and usage.
        arguments: by default those of the process.
    """
    tree = parser(program, commands)
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        import argcomplete

        argcomplete.autocomplete(tree)
    options = tree.parse_args(arguments)
    command: Command = options.command
    if command.target.startswith(f"{__name__}:"):
        return command.load()(options)
    from olap.errors import AnalyticsError
    from olap.settings import Settings
    from olap.terminal import show_error

    try:
        return command.load()(Settings.from_env(os.environ), options)
    except AnalyticsError as error:
        show_error(error)
        return error.exit_code


def parser(program: str, commands: Iterable[Command]) -> argparse.ArgumentParser:
    """The parser of these commands; its result has the `Command` as `command`."""
    root = argparse.ArgumentParser(
        prog=program,
        description="Analytics of a messenger: from PostgreSQL to DuckDB files and an HTTP API.",
        formatter_class=_Formatter,
    )
    root.add_argument("--version", action=_Version, help="print the version and exit")
    named = {_name(command, program): command for command in commands}
    default = named.pop("", None)
    if default is not None:
        _add(root, program, default)
    below = {"": root.add_subparsers(required=default is None, metavar="command", title="commands")}
    for name, command in sorted(named.items()):
        group, _, word = name.rpartition(" ")
        if group not in below:
            parts = sorted(n.removeprefix(f"{group} ") for n in named if n.startswith(f"{group} "))
            shared = below[""].add_parser(
                group, help=f"commands: {', '.join(parts)}", formatter_class=_Formatter
            )
            below[group] = shared.add_subparsers(required=True, metavar="command", title="commands")
        one = below[group].add_parser(
            word,
            help=command.about,
            description=f"{command.about[0].upper()}{command.about[1:]}.",
            formatter_class=_Formatter,
        )
        _add(one, f"{program} {name}", command)
    return root


def _name(command: Command, program: str) -> str:
    if program == PROGRAM or command.name_in_package is None:
        return command.name
    return command.name_in_package


def _add(parser: argparse.ArgumentParser, words: str, command: Command) -> None:
    command.arguments(parser)
    parser.set_defaults(command=command)
    calls = {f"{words} {given}".rstrip(): about for given, about in command.examples.items()}
    width = max(map(len, calls))
    parser.epilog = "\n".join(
        ["examples:", *(f"  {text:<{width}}  # {about}" for text, about in calls.items())]
    )


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number between limits."""

    def number(text: str) -> int:
        value = int(text)
        if maximum is not None and not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"must be between {minimum} and {maximum}")
        if value < minimum:
            raise argparse.ArgumentTypeError(f"must be {minimum} or more")
        return value

    return number


class _Formatter(RawDescriptionRichHelpFormatter):
    """Help with colours on a terminal, and examples as they are written."""

    styles: ClassVar = {
        **RawDescriptionRichHelpFormatter.styles,
        "argparse.syntax": "cyan",
        "argparse.groups": "yellow",
        "argparse.prog": "default",
    }

    def add_argument(self, action: argparse.Action) -> None:
        """Leave room for the names of commands, whose indentation argparse forgets."""
        super().add_argument(action)
        if action.nargs == argparse.PARSER:
            self._action_max_length += self._indent_increment


class _Version(argparse.Action):
    """Print the version, which is looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **given)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{PROGRAM} {metadata.version(PROGRAM)}")
        parser.exit()


def completion(options: argparse.Namespace) -> int:
    """Print what makes a shell complete this program."""
    from argcomplete.shell_integration import shellcode

    print(shellcode([PROGRAM], shell=options.shell))
    return 0


def _shell_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--command", "-c", dest="statement", metavar="SQL",
        help="run this statement and exit (default: read from the terminal)",
    )  # fmt: skip
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT",
        help="more arguments for duckdb, after --",
    )  # fmt: skip


def _engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", metavar="ADDRESS",
        help="sail in this process, or a Spark Connect server such as sc://host:15002 "
        "(default: ENGINE_URL, or sail)",
    )  # fmt: skip
    parser.add_argument("--timeout", type=whole(1, 86_400), default=600, metavar="SECONDS",
        help="how long the engine may take for each call (default: 600)",
    )  # fmt: skip


def _metric_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the metric, with or without its version")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE",
        help="its parameters, as sql/README.md lists them",
    )  # fmt: skip
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table",
        help="how the rows are printed (default: table)",
    )  # fmt: skip
    _engine_arguments(parser)


def _rollups_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=day, default=date.min, metavar="DAY",
        help="first UTC day (default: the first with data)",
    )  # fmt: skip
    parser.add_argument("--to", dest="last", type=day, default=date.max, metavar="DAY",
        help="last UTC day (default: the last with data)",
    )  # fmt: skip
    _engine_arguments(parser)


def day(text: str) -> date:
    """The type of an argument that is a UTC day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day, such as 2026-11-01") from None


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell")


COMMANDS = (
    Command(
        name="shell",
        about="open the published file in DuckDB, read-only",
        target="olap.__main__:shell",
        arguments=_shell_arguments,
        examples={
            "": "a prompt",
            '-c "from metrics.catalog"': "one query",
            '-c "from generation" -- -csv': "as CSV",
        },
    ),
    Command(
        name="check",
        about="run the checks of sql/checks on the published file",
        target="olap.__main__:check",
        examples={"": "exit code 1 if a check finds a row"},
    ),
    Command(
        name="catalog",
        about="print what each metric means, as Markdown",
        target="olap.__main__:catalog",
        examples={"": "the text of sql/README.md"},
    ),
    Command(
        name="engine metric",
        about="ask a metric on Spark or Sail, over the lake",
        target="olap.engine.commands:metric",
        arguments=_metric_arguments,
        examples={
            "message_stats days=30": "on Sail in this process",
            "message_timeline since=2026-01-01 every=weekly tz=Europe/Berlin "
            "--engine sc://spark:15002 --format csv": "on a cluster, as CSV",
        },
    ),
    Command(
        name="engine rollups",
        about="make the rollups of the published generation on Spark or Sail",
        target="olap.engine.commands:rollups",
        arguments=_rollups_arguments,
        examples={
            "--engine sc://spark:15002": "of all days",
            "--from 2026-01-01 --to 2026-03-31": "of these days",
        },
    ),
    Command(
        name="completion",
        about="print what makes a shell complete commands and options",
        target="olap.commands:completion",
        arguments=_completion_arguments,
        examples={
            "bash": "for ~/.bashrc: eval of this output",
            "zsh": "for ~/.zshrc",
            "fish": "for ~/.config/fish/completions/messenger-analytics.fish",
        },
    ),
)
