"""The page that shows what became of a batch: one file, which needs nothing beside it."""

import base64
import platform
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from napari_sam._version import __version__
from napari_sam.batch.image_task import ImageOutcome
from napari_sam.batch.planned_batch import PlannedBatch
from napari_sam.batch.recipe_file import recipe_text
from napari_sam.export.atomic import atomic_path

REPORT, PREVIEW = "report.html", "preview.html"
"""Names of the page, in the folder of outputs."""
MOST_PICTURES = 300
"""Pictures on a page (chosen: some 10 MB of them)."""


def write_report(
    path: Path,
    plan: PlannedBatch,
    outcomes: Sequence[ImageOutcome],
    *,
    seconds: float,
    before: int = 0,
    whole: bool = True,
    preview: bool = False,
) -> None:
    """Write the page of a batch.

    Parameters
    ----------
    path
        Where to.
    plan
        The batch.
    outcomes
        What became of its images so far.
    seconds
        How long it took.
    before
        How many of the outcomes are of a run before.
    whole
        False where it was stopped.
    preview
        True where nothing was done but a few images to look at.
    """
    failed = [each for each in outcomes if each.error]
    done = [each for each in outcomes if not each.error]
    known = {each.image for each in outcomes}
    waiting = [task.image.name for task in plan.tasks if task.image.name not in known]
    # What is to be looked at comes first where not all find room.
    first = sorted(done, key=lambda each: (not each.warnings, each.image))
    pictures = [(each, shown) for each in first[:MOST_PICTURES] if (shown := _picture(plan, each))]
    facts = [
        ("images", plan.total, False),
        ("previewed" if preview else "done", len(done), False),
        ("failed", len(failed), bool(failed)),
        *([] if preview else [("of a run before", before, False)]),
        ("objects", sum(each.objects for each in done), False),
        ("time", _duration(seconds), False),
    ]
    html = _template().render(
        title=f"{'Preview of ' if preview else ''}{plan.name}",
        summary=_summary(plan, preview, whole),
        facts=facts,
        failed=failed,
        warned=[each for each in done if each.warnings],
        pictures=pictures,
        unseen=max(len(done) - MOST_PICTURES, 0),
        rows=done,
        waiting=waiting,
        preview=preview,
        made_by=_made_by(done),
        recipe_name=plan.name,
        recipe=recipe_text(plan.recipe),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _template() -> Template:
    text = (files("napari_sam.batch") / "report.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)


def _summary(plan: PlannedBatch, preview: bool, whole: bool) -> str:
    when = f"{datetime.now().astimezone():%d %B %Y, %H:%M}"
    if preview:
        return f"{when}. Nothing was written into {plan.state.folder} but this page."
    stopped = "" if whole else " It was stopped: the same command goes on."
    return f"{when}. Labels are in {plan.state.folder}.{stopped}"


def _picture(plan: PlannedBatch, outcome: ImageOutcome) -> str:
    path = plan.state.picture_of(outcome.output)
    if not path.exists():
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _made_by(done: Sequence[ImageOutcome]) -> list[tuple[str, str]]:
    """Return what the labels were made by; several, where runs before were others."""

    def each(name: str) -> str:
        return ", ".join(sorted({str(getattr(outcome, name)) for outcome in done}))

    made = []
    if done:
        made = [
            ("Model", each("model")),
            ("Weights (SHA-256)", each("digest")),
            ("Precision", each("precision")),
            ("Device", each("device")),
            ("napari-sam-stacks", each("version")),
        ]
    else:
        made = [("napari-sam-stacks", __version__)]
    for package in ("torch", "numpy", "scikit-image", "tifffile"):
        try:
            made.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return [*made, ("Python", platform.python_version()), ("System", platform.platform())]
