"""A batch in a process of its own, and what it tells of itself."""

import json
import sys
from pathlib import Path

from psygnal import Signal
from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer

PATIENCE_MS = 5000
"""Milliseconds that a batch has to end by itself when it is stopped, on Windows it never does (chosen)."""


def batch_command_line(recipe: Path) -> list[str]:
    """Return the words of the command that runs a recipe with the Python of this process."""
    return [sys.executable, "-m", "napari_sam", "batch", str(recipe)]


class BatchProcess:
    """A batch that runs beside the window; it goes on later if it is stopped.

    Parameters
    ----------
    parent
        With it the process ends.

    Attributes
    ----------
    progressed : Signal(int, int, float)
        Images that are finished, all of them, and the share of the one in work.
    failed : Signal(str)
        An image that could not be done, and why, in one sentence.
    ended : Signal(str, str)
        What came of it in one sentence, and the page that shows it; empty if there is none.
    """

    progressed = Signal(int, int, float)
    failed = Signal(str)
    ended = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        self._process = QProcess(parent)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._broke)
        self._report, self._counts, self._rest = "", (0, 0), b""
        self._stopped = False

    @property
    def running(self) -> bool:
        """True from its start to its end."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self, recipe: Path) -> None:
        """Run a recipe."""
        self._report, self._counts, self._rest, self._stopped = "", (0, 0), b"", False
        environment = QProcessEnvironment.systemEnvironment()
        # The same package as here, however it was found.
        environment.insert("PYTHONPATH", str(Path(__file__).parents[2]))
        self._process.setProcessEnvironment(environment)
        program, *words = batch_command_line(recipe)
        self._process.start(program, [*words, "--as-json"])

    def stop(self) -> None:
        """Have it end when it can, and a while later end it."""
        if self.running:
            self._stopped = True
            self._process.terminate()
            QTimer.singleShot(PATIENCE_MS, self._process.kill)

    def close(self) -> None:
        """End it at once, and tell nobody; whatever is half done is done again when it goes on."""
        self._process.blockSignals(True)
        if self.running:
            self._process.kill()
            self._process.waitForFinished(PATIENCE_MS)

    def _read(self) -> None:
        *lines, self._rest = (self._rest + bytes(self._process.readAllStandardOutput().data())).split(b"\n")
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if "report" in told:
                self._report = told["report"]
                self._counts = told["total"] - told["failed"], told["failed"]
                continue
            if told.get("error"):
                self.failed.emit(f"{Path(told['image']).name}: {told['error']}")
            self.progressed.emit(told["done"], told["total"], told["share"])

    def _finished(self, *_: object) -> None:
        self._read()
        said = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
        done, failed = self._counts
        if self._report:
            ending = f", {failed} failed" if failed else ""
            sentence = f"{done} image{'s' * (done != 1)} done{ending}."
        elif self._stopped:
            sentence = "Stopped; it goes on where it was when it is started again."
        else:
            sentence = said[-1].removeprefix("napari-sam: ") if said else "The batch ended without a word."
        self.ended.emit(sentence, self._report)

    def _broke(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(f"{sys.executable} could not be started: {self._process.errorString()}.", "")
