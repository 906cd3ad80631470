"""Command line: parsing and printing only. Heavy imports stand inside the commands, so that help is instant."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated

import typer

from virb.cli.bench import bench_app
from virb.cli.board import compare, export, leaderboard
from virb.cli.cache import cache_app
from virb.cli.cards import encoders_app, tasks_app
from virb.cli.check import check
from virb.cli.data import data_app
from virb.cli.doctor import doctor
from virb.cli.findings import findings
from virb.cli.plot import plot_app
from virb.cli.printing import say
from virb.cli.run import evaluate, plan
from virb.cli.show import show
from virb.cli.streams import careful
from virb.cli.submit import reproduce, submit, verify
from virb.core import once, stopping, trust
from virb.core.errors import VirbError

_INTERRUPTED = 130
_DEBUG, _TRUST = _ANYWHERE = ("--debug", "--trust-cache")
"""What may stand before a command's name or anywhere after it."""

app = typer.Typer(
    name="virb",
    help="What a visual encoder is worth: frozen features, task heads, honest scores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    evaluate,
    plan,
    show,
    leaderboard,
    compare,
    export,
    findings,
    submit,
    verify,
    reproduce,
    doctor,
    check,
):
    app.command()(command)
for name, group in (
    ("tasks", tasks_app),
    ("encoders", encoders_app),
    ("data", data_app),
    ("plot", plot_app),
    ("cache", cache_app),
    ("bench", bench_app),
):
    app.add_typer(group, name=name)


def _print_version(asked: bool) -> None:
    if asked:
        from virb import __version__

        say(f"virb {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show tracebacks.")] = False,
    trust_cache: Annotated[
        bool, typer.Option(_TRUST, help=f"Use the cache though others may write to it; so does {trust.TRUST}=1.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    level = logging.DEBUG if debug else logging.WARNING
    once.listen(once.Stderr(), level)
    logging.getLogger().setLevel(level)
    for noisy in ("PIL", "matplotlib", "urllib3", "httpx", "huggingface_hub", "filelock", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a user's error is a message, never a traceback unless --debug asks for it."""
    if arguments is None:  # a process of its own
        sys.excepthook = _tell
    given = list(sys.argv[1:] if arguments is None else arguments)
    first = [item for item in _ANYWHERE if item in given]
    ordered = [*first, *(item for item in given if item not in first)]
    with careful(), stopping.heeded(), trust.trusting(_TRUST in first):
        return _run(ordered, _DEBUG in first)


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as everything else is printed: its last line often quotes a stranger's file."""
    say("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"), err=True)


def _run(ordered: Sequence[str], debug: bool) -> int:
    try:
        code = int(app(ordered, prog_name="virb", standalone_mode=False) or 0)
    except VirbError as error:
        if debug:
            raise
        say(f"error: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except typer.Exit as stop:
        code = stop.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:
        show = getattr(error, "show", None)  # click's own usage errors know how to print themselves
        if show is None:
            raise
        usage = io.StringIO()
        show(file=usage)
        say(usage.getvalue().rstrip("\n"), err=True)
        return int(getattr(error, "exit_code", 2))
    if code == _INTERRUPTED:
        say("\nInterrupted. Finished records are whole; the same command goes on.", err=True)
        return stopping.exit_code()
    return code
