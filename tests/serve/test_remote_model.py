"""A model on another machine answers as one here does, whatever happens to the connection."""

import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from running_server import TOKEN, free_port, running

import napari_sam
from napari_sam.discover.alike import describe_kind, propose_alike
from napari_sam.discover.everything import propose_everything
from napari_sam.discover.proposals import Proposals
from napari_sam.errors import UserError, UserNotice
from napari_sam.models.load import load_model
from napari_sam.models.remote.connection import ServerConnection
from napari_sam.models.remote.remote_model import open_remote
from napari_sam.models.remote.server_address import ServerAddress, given_token
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model
from napari_sam.volume.evidence import SWIFT
from napari_sam.volume.propagate import propagate, propagate_each

POINTS, LABELS = torch.tensor([[[20.0, 20.0]]]), torch.tensor([[1]])


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def nano_server():
    with running(lambda name, precision: load_model(name, "cpu", precision)) as server:
        yield server


def image(seed: int = 0, side: int = 64, channels: int = 3) -> torch.Tensor:
    pixels = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(seed))
    return pixels.expand(1, 3, side, side).contiguous()


def assert_same(ours, theirs) -> None:
    assert torch.equal(ours.logits, theirs.logits)
    assert torch.equal(ours.iou, theirs.iou)


@pytest.mark.parametrize("channels", [1, 3])
def test_prompts_on_a_window_have_the_answer_that_they_have_here(server, channels):
    here, there = threshold_model(), server.model()
    for multimask in (True, False):
        pixels = image(channels=channels)
        assert_same(*(each.decode(each.encode(pixels), POINTS, LABELS, None, multimask) for each in (here, there)))
    assert (there.digest, there.network.window, str(there.device)) == (here.digest, 64, "cpu")


def test_windows_are_cut_there(server):
    large, corners = image(side=128), [(0, 0), (64, 32), (8, 24)]
    answers = []
    for model in (threshold_model(), server.model()):
        features = model.encode(large)
        windows = [features.cut(corner, 64, 128) for corner in corners]
        answers.append(model.decode_each(windows, POINTS.repeat(3, 1, 1), LABELS.repeat(3, 1), None, True))
    assert_same(*answers)
    assert not torch.equal(answers[0].logits[0], answers[0].logits[1])


def test_equal_images_of_one_batch_are_each_answered_for(server):
    model = server.model()
    features = model.encode(torch.cat([image(), image(), image(1)]))
    assert len(features.split()) == 3
    assert features.nbytes == 3 * features.split()[0].nbytes == threshold_model().encode(image()).nbytes * 3


def test_what_the_server_lost_is_sent_again_by_itself():
    # Nothing fits.
    with running(max_bytes=1) as server:
        model, here = server.model(), threshold_model()
        for seed in range(3):
            theirs = model.decode(model.encode(image(seed)), POINTS, LABELS, None, True)
            assert_same(here.decode(here.encode(image(seed)), POINTS, LABELS, None, True), theirs)


def test_many_lost_windows_are_sent_in_several_messages(monkeypatch):
    monkeypatch.setattr("napari_sam.models.remote.remote_model.MOST_BYTES", 2 * image().nbytes)
    with running() as server:
        model, here = server.model(), threshold_model()
        images = [image(seed) for seed in range(5)]
        windows = [model.encode(each) for each in images]
        server.kill()
        server.start()
        points, labels = POINTS.repeat(5, 1, 1), LABELS.repeat(5, 1)
        theirs = model.decode_each(windows, points, labels, None, False)
        assert_same(here.decode_each([here.encode(each) for each in images], points, labels, None, False), theirs)


def _wait_for(true) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_server_that_is_killed_and_comes_back_loses_no_prompt(server):
    said = []
    model = server.model(lambda: said.append(model.waiting))
    features = model.encode(image())
    server.kill()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(model.decode(features, POINTS, LABELS, None, True)))
    asking.start()
    _wait_for(lambda: said)
    assert said == [f"The other machine, {server.address}, does not answer; trying again."]
    assert model.waiting == said[0]
    server.start()
    asking.join(20)
    here = threshold_model()
    assert_same(here.decode(here.encode(image()), POINTS, LABELS, None, True), answers[0])
    assert said[1:] == [""]
    assert model.waiting == ""


def test_without_a_listener_a_notice_is_given(server):
    model = server.model()
    features = model.encode(image())
    server.kill()
    threading.Timer(1, server.start).start()
    with pytest.warns(UserNotice, match="does not answer; trying again"):
        model.decode(features, POINTS, LABELS, None, True)


def test_a_cancel_works_while_the_machine_is_away(server):
    model = server.model(lambda: None)
    features = model.encode(image())
    server.kill()
    for ask in (
        lambda token: model.encode(image(1), token),
        lambda token: model.decode(features, POINTS, LABELS, None, True, token),
        lambda token: model.decode_each([features], POINTS, LABELS, None, True, token),
        lambda token: features.auxiliary_maps(token),
    ):
        token = CancelToken()
        threading.Timer(0.1, token.cancel).start()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            ask(token)
        assert time.monotonic() - begun < 2
    server.start()


def test_a_model_that_is_given_up_ends_what_waits(server):
    model = server.model(lambda: None)
    features = model.encode(image())
    server.kill()
    threading.Timer(0.1, model.close).start()
    with pytest.raises(UserError, match="given up"):
        model.decode(features, POINTS, LABELS, None, True)
    server.start()


class SlowNetwork(ThresholdNetwork):
    """Encodes until it is told to stop."""

    began, ended = threading.Event(), threading.Event()

    def encode(self, images, cancel=None):
        if images.shape[-1] == 64:
            return super().encode(images)
        self.began.set()
        try:
            while True:
                time.sleep(0.002)
                cancel.check()
        finally:
            self.ended.set()


def test_what_is_cancelled_is_dropped_there_too():
    with running(lambda *_: threshold_model(network=SlowNetwork)) as server:
        model, token = server.model(), CancelToken()
        threading.Thread(target=lambda: (SlowNetwork.began.wait(20), token.cancel())).start()
        with pytest.raises(Cancelled):
            model.encode(image(side=128), token)
        assert SlowNetwork.ended.wait(20)
        # The next one is answered.
        model.decode(model.encode(image()), POINTS, LABELS, None, True)


def test_the_embedding_is_summed_up_there(server):
    cells, ends = torch.tensor([0, 9, 9, 63, 5]), torch.tensor([0, 2, 2, 5])
    here, there = (model.encode(image()) for model in (threshold_model(), server.model()))
    toward = torch.rand(3, 3, generator=torch.Generator().manual_seed(1)).double() + 1
    assert torch.equal(here.moments(), there.moments())
    assert torch.equal(here.sums(cells, ends), there.sums(cells, ends))
    assert torch.equal(here.sums(cells[:0], ends[:1]), there.sums(cells[:0], ends[:1]))
    assert torch.equal(here.similarity(toward), there.similarity(toward))
    by_hand = here.embedding[0].flatten(1).T
    torch.testing.assert_close(
        here.sums(cells, ends),
        torch.stack([by_hand[0] + by_hand[9], 0 * by_hand[0], by_hand[9] + by_hand[63] + by_hand[5]]),
    )
    torch.testing.assert_close(here.moments()[1], (by_hand.double() ** 2).mean(0))
    assert not hasattr(there, "embedding")


@pytest.mark.parametrize("address", ["http://", "http://host/path", "http://user@host", "http://host:port", "ftp://h"])
def test_a_bad_address_is_told_in_a_sentence(address):
    with pytest.raises(UserError, match="is no address of another machine"):
        ServerAddress.read(address)


def test_addresses():
    assert str(ServerAddress.read(" https://Box.lab/ ")) == "https://box.lab:8765"
    assert str(ServerAddress.read("http://[::1]:80")) == "http://[::1]:80"


def test_a_token_must_be_there(monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_TOKEN", " from-there ")
    assert given_token(None) == "from-there"
    assert given_token("given") == "given"
    monkeypatch.delenv("NAPARI_SAM_TOKEN")
    with pytest.raises(UserError, match="wants a token"):
        given_token(None)
    with pytest.raises(UserError, match="no space"):
        given_token("two words")


def test_a_wrong_token_is_told(server):
    with pytest.raises(UserError, match="does not know this token"):
        open_remote(server.connect(token="another-token"), "nano", "auto")


def test_another_version_is_told(server, monkeypatch):
    monkeypatch.setattr("napari_sam.models.remote.connection.PROTOCOL", 2)
    with pytest.raises(UserError, match="runs another version"):
        server.model()


def test_a_machine_that_never_answered_is_given_up(monkeypatch):
    monkeypatch.setattr("napari_sam.models.remote.connection.OPENING_S", 0.2)
    connection = ServerConnection(ServerAddress.read(f"http://127.0.0.1:{free_port()}"), TOKEN)
    with pytest.raises(UserError, match="start `napari-sam serve` there"):
        open_remote(connection, "nano", "auto")


def test_other_weights_are_refused(server):
    with pytest.raises(UserError, match="has another nano than this machine"):
        load_model("nano", server.address, token=TOKEN)


def test_a_file_of_weights_is_the_one_there(server, tmp_path):
    (tmp_path / "own.safetensors").write_bytes(b"others")
    with pytest.raises(UserError, match="has another own than this machine"):
        load_model(tmp_path / "own.safetensors", server.address, token=TOKEN)


# The bundled model, to the bit.


@pytest.fixture(scope="module")
def stack():
    return generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2).nuclei


def opened(stack, server) -> tuple[Segmenter, Segmenter]:
    here = napari_sam.open_stack(stack, device="cpu", precision="float32")
    there = napari_sam.open_stack(stack, device=server.address, token=TOKEN, precision="float32")
    return here, there


def test_nano_segments_and_carries_the_same(stack, nano_server):
    here, there = opened(stack, nano_server)
    assert here.setup == there.setup
    plane = Plane((1, 2), (4, 0, 0))
    for prompts in (Prompts((Point(35, 24),)), Prompts(box=Box(20, 10, 50, 40)), Prompts((Point(60, 60),))):
        ours, theirs = here.segment(plane, prompts), there.segment(plane, prompts)
        for mine, other in zip(ours.candidates, theirs.candidates, strict=True):
            np.testing.assert_array_equal(mine.logits, other.logits)
        corrected = prompts.with_point(Point(30, 30, positive=False))
        again, other = (
            each.segment(plane, corrected, previous=answer.mask) for each, answer in ((here, ours), (there, theirs))
        )
        np.testing.assert_array_equal(again.mask.logits, other.mask.logits)
    carried = [
        list(propagate(each, plane, {4: each.segment(plane, Prompts((Point(35, 24),))).mask}, 0, start=3, stop=6))
        for each in (here, there)
    ]
    assert len(carried[0]) == len(carried[1]) > 2
    for mine, other in zip(*carried, strict=True):
        assert (mine.index, mine.confidence) == (other.index, other.confidence)
        assert (mine.mask is None) == (other.mask is None)
        if mine.mask is not None:
            np.testing.assert_array_equal(mine.mask.pixels, other.mask.pixels)


def test_nano_carries_several_on_small_windows_the_same(stack, nano_server):
    plane, carried = Plane((1, 2), (4, 0, 0)), []
    for segmenter in opened(stack, nano_server):
        masks = [segmenter.segment(plane, Prompts((Point(*at),)), object_size=14).mask for at in ((35, 24), (60, 60))]
        objects = {at: {4: mask} for at, mask in enumerate(masks, 1)}
        carried.append(list(propagate_each(segmenter, plane, objects, 0, start=3, stop=6, framing=SWIFT)))
    assert len(carried[0]) == len(carried[1]) > 4
    for (label, mine), (other_label, other) in zip(*carried, strict=True):
        assert (label, mine.index, mine.confidence) == (other_label, other.index, other.confidence)
        assert (mine.mask is None) == (other.mask is None)
        if mine.mask is not None:
            np.testing.assert_array_equal(mine.mask.pixels, other.mask.pixels)


def test_nano_finds_the_same_alike(stack, nano_server):
    plane, found = Plane((1, 2), (4, 0, 0)), []
    for segmenter in opened(stack, nano_server):
        example = segmenter.segment(plane, Prompts((Point(35, 24),))).mask
        kind = describe_kind(segmenter, [(plane, example)])
        found.append(list(propose_alike(segmenter, plane, kind))[-1])
    ours, theirs = found
    assert len(ours) == len(theirs) > 2
    np.testing.assert_array_equal(ours.likeness, theirs.likeness)


def test_nano_finds_everything_the_same(stack, nano_server):
    plane = Plane((1, 2), (4, 0, 0))
    ours, theirs = (
        [each for each in propose_everything(segmenter, plane) if isinstance(each, Proposals)][-1]
        for segmenter in opened(stack, nano_server)
    )
    assert len(ours) == len(theirs) > 2
    for mine, other in zip(ours.proposals, theirs.proposals, strict=True):
        np.testing.assert_array_equal(mine.logits, other.logits)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="a certificate is made by openssl")
def test_a_certificate_encrypts(tmp_path, monkeypatch):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    with running(certificate=certificate, key=key) as server:
        address = ServerAddress.read(server.address.replace("http", "https"))
        with pytest.raises(UserError, match="cannot prove who it is"):
            open_remote(ServerConnection(address, TOKEN), "threshold", "float32")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        model = open_remote(ServerConnection(address, TOKEN), "threshold", "float32")
        assert model.decode(model.encode(image()), POINTS, LABELS, None, False).logits.shape == (1, 1, 32, 32)


def test_a_model_on_this_machine_needs_nothing_that_another_one_does():
    code = "import sys, napari_sam.models.load; print({'imagecodecs', 'msgspec'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
