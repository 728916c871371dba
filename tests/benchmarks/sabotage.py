"""Deeds for the monkey that do harm, so that its rules are seen to fail."""

import threading

from napari.utils.notifications import show_warning

from benchmarks.monkey.deeds import Deed


class Prepare(Deed):
    """Harmless by itself."""

    weight = 0

    def do(self, desk):
        desk.prepared = True


class Explode(Deed):
    """Warns, but only once it was prepared."""

    weight = 0

    def do(self, desk):
        if getattr(desk, "prepared", False):
            show_warning("the monkey was here")


class FailInThread(Deed):
    weight = 0

    def do(self, desk):
        def fail():
            raise ValueError("nobody catches this")

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()


class Meddle(Deed):
    """Claims that it only looks, and paints."""

    weight = 0
    changes = False

    def do(self, desk):
        layer = next(layer for layer in desk.viewer.layers if type(layer).__name__ == "Labels" and layer.name == "mine")
        layer.data_setitem((layer.data == 0).nonzero(), 3)


class AddMine(Deed):
    weight = 0

    def do(self, desk):
        import numpy as np

        desk.viewer.add_labels(np.zeros(desk.image_layer.data.shape, np.uint8), name="mine")


class Sleep(Deed):
    weight = 0

    def do(self, desk):
        import time

        time.sleep(3)


class DropAClick(Deed):
    """The layer says something else than the session."""

    weight = 0

    def do(self, desk):
        prompts = desk.reading.own.prompts
        with prompts.quiet():
            prompts.points.add([[20.0, 20.0]])


DEEDS = (Prepare, Explode, FailInThread, Meddle, AddMine, Sleep, DropAClick)
