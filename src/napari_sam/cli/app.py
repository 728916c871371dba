"""The command ``napari-sam`` and how it reports what a user can put right."""

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer

from napari_sam._version import __version__
from napari_sam.cli.alike_command import alike_command
from napari_sam.cli.batch_command import batch_command
from napari_sam.cli.demo_command import demo_command
from napari_sam.cli.edit_command import edit_command
from napari_sam.cli.everything_command import everything_command
from napari_sam.cli.export_command import export_command
from napari_sam.cli.measure_command import measure_command
from napari_sam.cli.models_commands import models
from napari_sam.cli.replay_command import replay_command
from napari_sam.cli.segment_commands import propagate_command, segment_command
from napari_sam.cli.serve_command import serve_command
from napari_sam.errors import UserError, UserNotice

BAD_INPUT = 2
INTERRUPTED = 130

app = typer.Typer(
    help="Click a cell, get its outline, carry it through the z-stack: Segment Anything for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-sam-stacks {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command("segment")(segment_command)
app.command("propagate")(propagate_command)
app.command("everything")(everything_command)
app.command("edit")(edit_command)
app.command("alike")(alike_command)
app.command("export")(export_command)
app.command("measure")(measure_command)
app.command("replay")(replay_command)
app.command("batch")(batch_command)
app.command("demo")(demo_command)
app.command("serve")(serve_command)
app.add_typer(models, name="models")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 on success, 2 after one sentence on standard error for bad input.

    A batch of which an image failed exits with 1.

    Parameters
    ----------
    arguments
        Words of the command line; None takes them from the process.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _say_or(warnings.showwarning)
        try:
            status = typer.main.get_command(app)(arguments, prog_name="napari-sam", standalone_mode=False)
        except UserError as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        except (KeyboardInterrupt, typer.Abort):
            sys.exit(INTERRUPTED)
        except Exception as error:
            # Wrong options. Depending on its version, typer raises click's errors or its own copy of them.
            if not hasattr(error, "format_message"):
                raise
            _fail(error.format_message())
        sys.exit(status if isinstance(status, int) else 0)


def _say_or(show: Callable[..., None]) -> Callable[..., None]:
    """Print notices as a sentence, and leave other warnings to `show`."""

    def say(message: Warning | str, category: type[Warning], *rest: object, **named: object) -> None:
        if issubclass(category, UserNotice):
            typer.echo(f"Note: {message}", err=True)
        else:
            show(message, category, *rest, **named)

    return say


def _fail(message: str) -> NoReturn:
    # Without any words typer has already said all there is to say: the help.
    if message:
        typer.echo(f"napari-sam: {' '.join(message.split())}", err=True)
    sys.exit(BAD_INPUT)
