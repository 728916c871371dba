"""What a server does not answer, and many who ask at once."""

import http.client
import json
import pickle
import sys
import threading

import msgspec
import numpy as np
import pytest
import torch
from running_server import TOKEN, running

from napari_sam.errors import UserError
from napari_sam.models.remote.messages import (
    MOST_BYTES,
    PROTOCOL,
    PROTOCOL_HEADER,
    ImagesSent,
    MalformedMessage,
    ModelKey,
    ModelWanted,
    PackedArray,
    PromptedWindow,
    PromptsSent,
    RefusalSent,
    SimilarityWanted,
    SumsWanted,
    WindowCut,
    image_name,
    pack_array,
    read,
    unpack_array,
    written,
)
from napari_sam.models.remote.remote_model import open_remote
from napari_sam.nn.cancel import CancelToken
from napari_sam.serve.listening import is_open_to_others, make_server
from napari_sam.serve.served_models import ServedModels, model_opener
from napari_sam.serve.server import MOST_BODY, ModelServer
from napari_sam.testing.fake_network import threshold_model

DIGEST = threshold_model().digest
KEY = ModelKey("threshold", "float32", DIGEST)
PIXELS = np.random.default_rng(0).random((3, 64, 64), np.float32)
NAME = image_name(pack_array(PIXELS), PIXELS)


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


def post(server, path: str, body: bytes = b"", method: str = "POST", **headers) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    said = {"Authorization": f"Bearer {TOKEN}", PROTOCOL_HEADER: str(PROTOCOL)}
    said.update({name.replace("_", "-"): value for name, value in headers.items()})
    connection.request(method, path, body, {name: value for name, value in said.items() if value is not None})
    response = connection.getresponse()
    response.content = response.read()
    connection.close()
    return response


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN])
@pytest.mark.parametrize("path", ["/hello", "/model", "/decode", "/", "/docs"])
def test_nobody_without_the_token_is_answered(server, given, path):
    response = post(server, path, written(ModelWanted("threshold", "auto")), Authorization=given)
    assert (response.status, response.content) == (401, b"")
    assert response.getheader(PROTOCOL_HEADER) is None
    assert response.getheader("server") is None


def test_a_request_without_the_token_is_refused_before_it_is_read(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/encode")
    connection.putheader("Content-Length", str(MOST_BODY))
    connection.endheaders(b"only a little of it")
    response = connection.getresponse()
    assert response.status == 401
    assert response.getheader("connection") == "close"
    connection.close()


def test_too_long_a_request_is_refused_before_it_is_read(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/encode")
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader(PROTOCOL_HEADER, str(PROTOCOL))
    connection.putheader("Content-Length", str(MOST_BODY + 1))
    connection.endheaders(b"only a little of it")
    assert connection.getresponse().status == 413
    connection.close()


def test_a_request_of_no_stated_length_is_refused(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/encode")
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader(PROTOCOL_HEADER, str(PROTOCOL))
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()


def test_other_paths_methods_and_versions_are_refused(server):
    assert post(server, "/elsewhere").status == 404
    assert post(server, "/model", method="GET").status == 405
    assert post(server, "/model", **{PROTOCOL_HEADER: "99"}).status == 426
    assert post(server, "/hello").status == 200


class Bomb:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        pickle.dumps(Bomb()),
        json.dumps({"name": "threshold", "precision": "auto"}).encode(),
        msgspec.msgpack.encode({"name": "threshold", "precision": "auto", "more": 1}),
        msgspec.msgpack.encode({"name": "threshold", "precision": "float8"}),
        msgspec.msgpack.encode({"name": "x" * 300, "precision": "auto"}),
        msgspec.msgpack.encode({"name": 3, "precision": "auto"}),
    ],
)
def test_what_is_no_message_is_refused(server, body, capsys):
    response = post(server, "/model", body)
    assert response.status == 400
    assert "ModelWanted" in read(response.content, RefusalSent).sentence
    assert "unpickled" not in capsys.readouterr().out


def images(*packed: PackedArray) -> ImagesSent:
    return ImagesSent(KEY, packed)


def prompts(**changed) -> PromptsSent:
    plain = PromptsSent(
        KEY,
        (PromptedWindow(NAME),),
        (pack_array(PIXELS, compress=True),),
        False,
        pack_array(np.zeros((1, 1, 2), np.float32)),
        pack_array(np.ones((1, 1), np.int64)),
        None,
        True,
    )
    return msgspec.structs.replace(plain, **changed)


SENT = (pack_array(PIXELS, compress=True),)


def sums(cells: list[int], ends: list[int], cut: WindowCut | None = None) -> SumsWanted:
    numbers = (pack_array(np.array(each, np.int64)) for each in (cells, ends))
    return SumsWanted(KEY, PromptedWindow(NAME, cut), SENT, *numbers)


FLOATS = pack_array(PIXELS)
MALFORMED = {
    "pixels of whole numbers": images(pack_array(PIXELS.astype(np.int64))),
    "fewer numbers than the shape says": images(PackedArray("float32", (3, 64, 64), FLOATS.data[:-4])),
    "more numbers than the shape says": images(PackedArray("float32", (3, 64, 32), FLOATS.data)),
    "packed numbers that are fewer": images(
        PackedArray("float32", (3, 64, 64), pack_array(PIXELS[:1], True).data, True)
    ),
    "packed numbers that are more": images(PackedArray("float32", (1, 64, 64), pack_array(PIXELS, True).data, True)),
    "packed nonsense": images(PackedArray("float32", (3, 64, 64), b"nonsense", True)),
    "an image of a terabyte": images(PackedArray("float32", (3, 60000, 60000), b"", True)),
    "many images of some megabytes": images(*[PackedArray("float32", (3, 2048, 2048), b"", True)] * 8),
    "two axes": images(pack_array(PIXELS[0])),
    "four channels": images(pack_array(np.zeros((4, 64, 64), np.float32))),
    "no pixels": images(pack_array(np.zeros((3, 0, 64), np.float32))),
    "an odd side": images(pack_array(np.zeros((3, 63, 64), np.float32))),
    "too long a side": images(pack_array(np.zeros((1, 2080, 32), np.float32))),
    "points of whole numbers": prompts(points=pack_array(np.zeros((1, 1, 2), np.int64))),
    "labels with fractions": prompts(labels=pack_array(np.ones((1, 1), np.float32))),
    "labels that nothing means": prompts(labels=pack_array(np.full((1, 1), 4, np.int64))),
    "labels far below": prompts(labels=pack_array(np.full((1, 1), -(2**40), np.int64))),
    "fewer labels than points": prompts(labels=pack_array(np.ones((1, 0), np.int64))),
    "points in space": prompts(points=pack_array(np.zeros((1, 1, 3), np.float32))),
    "no prompts": prompts(
        points=pack_array(np.zeros((0, 1, 2), np.float32)), labels=pack_array(np.ones((0, 1), np.int64))
    ),
    "a mask of another size": prompts(mask=pack_array(np.zeros((1, 1, 31, 32), np.float32))),
    "a window for no prompt": prompts(windows=(PromptedWindow(NAME),) * 2),
    "windows that are too few": prompts(
        each=True, points=pack_array(np.zeros((2, 1, 2), np.float32)), labels=pack_array(np.ones((2, 1), np.int64))
    ),
    "windows of two sizes": prompts(
        windows=(PromptedWindow(NAME), PromptedWindow(NAME, WindowCut(0, 0, 32))),
        each=True,
        points=pack_array(np.zeros((2, 1, 2), np.float32)),
        labels=pack_array(np.ones((2, 1), np.int64)),
    ),
    "a window beyond the image": prompts(windows=(PromptedWindow(NAME, WindowCut(8, 0, 64)),)),
    "a window between cells": prompts(windows=(PromptedWindow(NAME, WindowCut(4, 0, 32)),)),
    "a window of nothing": prompts(windows=(PromptedWindow(NAME, WindowCut(0, 0, 0)),)),
    "too large a window": prompts(windows=(PromptedWindow(NAME, WindowCut(0, 0, 128)),)),
    "cells beyond the image": sums([0, 64], [0, 2]),
    "cells before the image": sums([-1, 3], [0, 2]),
    "sets that are not all cells": sums([1, 2, 3], [0, 2]),
    "sets that go backwards": sums([1, 2, 3], [0, 2, 1, 3]),
    "sets before the first cell": sums([1, 2, 3], [-1, 3]),
    "no sets": sums([], []),
    "sets of a part": sums([1], [0, 1], WindowCut(0, 0, 32)),
    "a direction of other channels": SimilarityWanted(KEY, PromptedWindow(NAME), SENT, pack_array(np.ones((3, 4)))),
    "a direction with less digits": SimilarityWanted(
        KEY, PromptedWindow(NAME), SENT, pack_array(np.ones((3, 3), np.float32))
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_makes_no_sense_is_refused(what):
    models = ServedModels(lambda *_: threshold_model())
    with pytest.raises(MalformedMessage, match=r"^[A-Z0-9].*\.$"):
        models.answer(MALFORMED[what], CancelToken())
    # The next one is answered.
    models.answer(prompts(), CancelToken())


def test_a_malformed_request_is_answered_over_the_line(server):
    assert post(server, "/decode", written(MALFORMED["labels that nothing means"])).status == 400
    assert post(server, "/decode", written(prompts())).status == 200


def test_an_error_that_nobody_expected_tells_nothing(caplog):
    def broken(name, precision):
        raise RuntimeError("secret")

    with running(broken) as server:
        response = post(server, "/model", written(ModelWanted("threshold", "auto")))
        assert (response.status, response.content) == (500, b"")
        assert "secret" in caplog.text
        with pytest.raises(UserError, match="could not compute this"):
            server.model()


def test_a_refusal_comes_through_as_a_sentence():
    def refuse(name, precision):
        raise UserError("There is not enough memory: close something.")

    with running(refuse) as server, pytest.raises(UserError, match="There is not enough memory: close something"):
        server.model()


def test_only_what_is_offered_is_opened(tmp_path):
    (tmp_path / "own.safetensors").write_bytes(b"nothing")
    for names, asked in (((), str(tmp_path / "own.safetensors")), ((), "../nano"), (("nano",), "vit_b")):
        with pytest.raises(UserError, match="The other machine has no model"):
            model_opener(names, "cpu", "float32")(asked, "auto")
    with pytest.raises(UserError, match=r"The other machine says: .*own"):
        model_opener([str(tmp_path / "own.safetensors")], "cpu", "float32")("own", "auto")
    assert model_opener(["nano"], "cpu", "float32")("nano", "auto").name == "nano"


def test_arrays_come_back_to_the_bit():
    for array in (PIXELS, PIXELS[:, ::2, ::-1], np.zeros((0, 2), np.float32), np.float32([[np.nan, -0.0, np.inf]])):
        for compress in (False, True):
            message = read(written(pack_array(array, compress)), PackedArray)
            np.testing.assert_array_equal(
                unpack_array(message, "float32", "numbers").view(np.int32), array.copy().view(np.int32)
            )
    whole = np.arange(-3, 3).reshape(2, 3)
    np.testing.assert_array_equal(unpack_array(pack_array(whole), "int64", "numbers"), whole)


def test_pixels_shrink_and_one_channel_travels_once(server, monkeypatch):
    sent = []
    connection = server.connect()
    ask = connection.ask
    monkeypatch.setattr(connection, "ask", lambda message, cancel=None: sent.append(message) or ask(message, cancel))
    model = open_remote(connection, "threshold", "float32")
    gray = (torch.arange(64 * 64).reshape(1, 1, 64, 64) % 50 / 50).expand(1, 3, 64, 64).contiguous()
    model.encode(gray)
    (image,) = sent[-1].images
    assert image.shape == (1, 64, 64)
    assert len(image.data) < gray[0, 0].nbytes / 2
    assert len(written(sent[-1])) < MOST_BYTES


def test_eight_clients_get_each_its_own_answers():
    """Those of one are never another's, though they share the server's memory, which holds a few windows only."""
    window = threshold_model().encode(torch.zeros(1, 3, 64, 64)).nbytes
    wrong, answered = [], []

    def work(client: int) -> None:
        model, here = server.model(), threshold_model()
        for turn in range(12):
            # Some images are those of other clients.
            pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed((client * 7 + turn * 3) % 23))
            theirs = model.decode(
                model.encode(pixels), torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.int64), None, True
            )
            ours = here.decode(
                here.encode(pixels), torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.int64), None, True
            )
            answered.append(client)
            if not torch.equal(ours.logits, theirs.logits):
                wrong.append((client, turn))

    with running(max_bytes=5 * window) as server:
        clients = [threading.Thread(target=work, args=(client,)) for client in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
    assert (len(answered), wrong) == (96, [])


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    app = ModelServer(ServedModels(lambda *_: threshold_model()), TOKEN)
    with pytest.raises(UserError, match=r"install the extra \[serve\]"):
        make_server(app)
    app.close()


def test_options_of_a_server_are_checked(tmp_path):
    app = ModelServer(ServedModels(lambda *_: threshold_model()), TOKEN)
    with pytest.raises(UserError, match="belong together"):
        make_server(app, certificate=tmp_path / "a.pem")
    with pytest.raises(UserError, match="There is no file"):
        make_server(app, certificate=tmp_path / "a.pem", key=tmp_path / "b.pem")
    app.close()
    assert [is_open_to_others(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "box.lab")] == [
        False,
        False,
        False,
        True,
        True,
    ]
