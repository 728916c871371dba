"""``napari-sam replay``: the labels of a session again, without a window."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from tqdm import tqdm

from napari_sam.cli.arguments import Image, Output
from napari_sam.cli.image_options import ImageOptions, takes_image
from napari_sam.cli.run import check_output, command_provenance, write_labels
from napari_sam.errors import UserError
from napari_sam.labels.label_files import read_saved_labels

if TYPE_CHECKING:
    from napari_sam.session.record.session_file import SessionContent

SessionFile = Annotated[
    Path, typer.Argument(metavar="SESSION", help="A session file, saved beside labels.", show_default=False)
]


@takes_image
def replay_command(session: SessionFile, image: Image, output: Output, options: ImageOptions) -> None:
    """Do again what was done in a session, on the same image with the same model, and write the labels.

    Every click, choice, propagation, brush stroke and deletion is done again in its order. Where the session's own
    labels lie beside it, the new ones are compared with them.
    """
    check_output(output, image)

    # Late, since they import torch.
    from napari_sam.session.compute.engine import NetworkEngine
    from napari_sam.session.record.replay import replay as replay_annotation
    from napari_sam.session.record.session_file import read_session

    content = read_session(session)
    source = content.image.recognise(options.open(image))

    with tqdm(total=len(content.annotation.events), desc="replaying", unit="step", delay=1, leave=False) as bar:
        labels = replay_annotation(
            content.annotation, source, NetworkEngine(), on_event=lambda done: bar.update(done - bar.n)
        )
    compared = _compared(session, content, labels)
    write_labels(output, labels, source, command_provenance("replay", image, session=session.name))
    ids = np.unique(labels)
    typer.echo(f"{output}: {np.count_nonzero(ids)} labels, {np.count_nonzero(labels)} pixels{compared}")


def _compared(session: Path, content: "SessionContent", labels: NDArray[np.generic]) -> str:
    """Tell whether the labels are those that were saved with the session, if these are at hand."""
    saved = session.parent / Path(content.labels_file).name
    if not content.labels_file or not saved.is_file():
        return ""
    try:
        former = read_saved_labels(saved, labels.shape)
    except UserError:
        return f"; {saved.name} cannot be read to compare"
    if former is None:
        return f"; {saved.name} has another shape"
    different = int(np.count_nonzero(former.astype(np.int64) != labels.astype(np.int64)))
    return f", the same as in {saved.name}" if not different else f"; {different} pixels differ from {saved.name}"
