"""``napari-sam batch``: all images of a recipe."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from napari_sam.batch.recipe_file import read_recipe

if TYPE_CHECKING:
    from napari_sam.batch.run_batch import BatchProgress, BatchSummary

SOME_FAILED = 1

RecipeFile = Annotated[
    Path,
    typer.Argument(metavar="RECIPE.toml", help="What is done, to which images: docs/batch.md.", show_default=False),
]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="FOLDER", help="Where the recipe's images are; by default beside the recipe."),
]
Outputs = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Where to write, in place of what the recipe says."),
]
Check = Annotated[bool, typer.Option("--check", help="Only say what would be done, and show three images.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Only say how long it will take and what memory it needs, from one image.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Processes on this machine that share the images.")
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="tcp://HOST:PORT", help="A Dask scheduler whose workers share the images."),
]
AsJson = Annotated[bool, typer.Option("--as-json", help="Tell how far it is as lines of JSON.", hidden=True)]


def batch_command(
    recipe: RecipeFile,
    folder: Folder = None,
    output: Outputs = None,
    check: Check = False,
    plan: Plan = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    as_json: AsJson = False,
) -> int:
    """Do to many images what a recipe says; a batch that was stopped or killed goes on where it was.

    Labels, and a page that shows what became of each image, are written into the recipe's folder of outputs. Exits with
    status 1 if an image failed; the others are done nevertheless.
    """
    # Before torch is imported, which takes seconds.
    read_recipe(recipe)
    if check:
        return _check(recipe, folder, output)
    if plan:
        from napari_sam.batch.estimate import estimate_batch

        for line in estimate_batch(recipe, images=folder, outputs=output).lines:
            typer.echo(line)
        return 0
    from napari_sam.batch.run_batch import run_batch

    with _ended_kindly(), _progress(as_json) as tell:
        summary = run_batch(recipe, images=folder, outputs=output, told=tell, workers=workers, scheduler=scheduler)
    _say_end(summary, as_json)
    return SOME_FAILED if summary.failed else 0


@contextmanager
def _ended_kindly() -> Iterator[None]:
    """Have what asks for the end of the process, as queues of clusters do, end it as Ctrl+C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check(recipe: Path, folder: Path | None, output: Path | None) -> int:
    from napari_sam.batch.check_batch import check_batch

    checked = check_batch(recipe, images=folder, outputs=output)
    for line in checked.lines:
        typer.echo(line)
    typer.echo(f"Look at {checked.page}")
    return SOME_FAILED if checked.failed else 0


@contextmanager
def _progress(as_json: bool) -> Iterator[Callable[["BatchProgress"], None]]:
    """Yield what to call with how far it is: shown as a bar with the time left, or told in lines without a terminal."""
    if as_json:
        yield _tell_json
        return
    seen: list[BatchProgress] = []
    with tqdm(
        total=1.0,
        disable=not sys.stderr.isatty(),
        leave=False,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
    ) as bar:

        def tell(each: "BatchProgress") -> None:
            if not seen:
                # What was done before says nothing about the time that is left.
                bar.total = max(each.total - each.before, 1)
            seen.append(each)
            del seen[:-1]
            bar.set_description_str(f"{each.done} of {each.total}", refresh=False)
            bar.update(max(each.done - each.before + each.share - bar.n, 0))
            if each.outcome is not None:
                tqdm.write(_line(each), file=sys.stdout)
                sys.stdout.flush()

        try:
            yield tell
        except KeyboardInterrupt:
            if seen:
                where = f"{seen[-1].done} of {seen[-1].total} images"
                tqdm.write(f"Stopped after {where}; the same command goes on.", file=sys.stderr)
            raise


def _line(each: "BatchProgress") -> str:
    outcome = each.outcome
    assert outcome is not None
    head = f"[{each.done}/{each.total}] {outcome.image}: "
    if outcome.error:
        return f"{head}failed: {outcome.error}"
    notes = "".join(f" Warning: {warning}" for warning in outcome.warnings)
    return f"{head}{outcome.objects} object{'s' * (outcome.objects != 1)}, {outcome.seconds:.1f} s.{notes}"


def _tell_json(each: "BatchProgress") -> None:
    about: dict[str, object] = {"done": each.done, "total": each.total, "share": each.share}
    if each.outcome is not None:
        about |= {"image": each.outcome.image, "objects": each.outcome.objects, "error": each.outcome.error}
    _write_json(about)


def _write_json(about: object) -> None:
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()


def _say_end(summary: "BatchSummary", as_json: bool) -> None:
    failed = len(summary.failed)
    if as_json:
        _write_json({"report": str(summary.report), "failed": failed, "total": len(summary.outcomes)})
        return
    done = len(summary.outcomes) - failed
    objects = sum(each.objects for each in summary.outcomes)
    before = f" ({summary.before} of them before)" if summary.before else ""
    ending = f", {failed} failed" if failed else ""
    typer.echo(f"{done} image{'s' * (done != 1)} done{before}, {objects} objects{ending}; look at {summary.report}")
