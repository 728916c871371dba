import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from napari_sam.embedding.embedder import Embedder
from napari_sam.embedding.store import EmbeddingStore
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.network import ImageFeatures
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.read_window import read_window
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model

PLANE = Plane((0, 1), (0, 0))


def embedder_of(shape: tuple[int, int], store: EmbeddingStore | None = None) -> Embedder:
    pixels = np.random.default_rng(0).random(shape, np.float32)
    return Embedder(threshold_model(), ImageSource(pixels), Contrast(((0.0, 1.0),)), store)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(5, 700), st.integers(5, 700)),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_cut_embedding_is_that_of_the_window_it_says_it_is(shape, step, down, right, prepared):
    embedder = embedder_of(shape)
    center = (down * (shape[0] - 1), right * (shape[1] - 1))
    if prepared:
        list(embedder.prepare(PLANE, [(step, step)], center))
    embedded = embedder.at(PLANE, (step, step), center)
    assert embedded.window.shape == (64, 64)
    assert embedded.window.step == (step, step)
    row, column = embedded.window.to_window(center)
    assert -0.5 <= row <= 63.5
    assert -0.5 <= column <= 63.5
    pixels = torch.from_numpy(read_window(embedder.source, PLANE, embedded.window, embedder.contrast))[None]
    torch.testing.assert_close(embedded.features.high_res[-1], F.avg_pool2d(pixels, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(embedded.features.embedding, F.avg_pool2d(pixels, 8), atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 3000), st.integers(5, 300), st.floats(0, 1), st.floats(0, 1))
def test_a_prepared_plane_answers_every_click_without_encoding(rows, columns, down, right):
    embedder = embedder_of((rows, columns))
    list(embedder.prepare(PLANE, [(1.0, 1.0)], (rows / 2, columns / 2)))
    center = (down * (rows - 1), right * (columns - 1))
    assert embedder.ready(PLANE, (1.0, 1.0), center)
    network = embedder.model.network
    assert isinstance(network, ThresholdNetwork)
    before = len(network.encoded)
    embedder.at(PLANE, (1.0, 1.0), center)
    assert len(network.encoded) == before


def test_the_window_is_centred_where_there_is_room():
    embedded = embedder_of((2000, 2000)).at(PLANE, (1.0, 1.0), (1000.0, 777.0))
    row, column = embedded.window.to_window((1000.0, 777.0))
    assert row == pytest.approx(31.5, abs=4.5)
    assert column == pytest.approx(31.5, abs=4.5)


def test_neighbouring_clicks_share_an_area_and_distant_ones_do_not():
    embedder = embedder_of((3000, 3000))
    network = embedder.model.network
    assert isinstance(network, ThresholdNetwork)
    embedder.at(PLANE, (1.0, 1.0), (1000.0, 1000.0))
    embedder.at(PLANE, (1.0, 1.0), (1010.0, 990.0))
    assert len(network.encoded) == 1
    embedder.at(PLANE, (1.0, 1.0), (2500.0, 2500.0))
    assert len(network.encoded) == 2


def test_a_small_window_is_no_larger_and_gives_no_large_one():
    embedder, center = embedder_of((900, 900)), (450.0, 450.0)
    small = embedder.at(PLANE, (1.0, 1.0), center, tight=True, window=32)
    assert small.window.shape == small.area.shape == (32, 32)
    assert embedder.ready(PLANE, (1.0, 1.0), center, 32)
    assert not embedder.ready(PLANE, (1.0, 1.0), center)
    own = embedder.at(PLANE, (1.0, 1.0), center, tight=True)
    assert own.window.shape == (64, 64)
    pixels = torch.from_numpy(read_window(embedder.source, PLANE, own.window, embedder.contrast))[None]
    torch.testing.assert_close(own.features.high_res[-1], F.avg_pool2d(pixels, 2), atol=1e-5, rtol=0)


def test_no_area_is_larger_than_the_largest():
    embedder = embedder_of((2500, 900))
    steps = list(embedder.prepare(PLANE, [(1.0, 1.0)], (0.0, 0.0)))
    network = embedder.model.network
    assert isinstance(network, ThresholdNetwork)
    assert max(max(shape) for shape in network.encoded) <= 1024
    assert steps[-1] == (len(network.encoded), len(network.encoded))


def test_forgetting_encodes_again():
    embedder = embedder_of((100, 100))
    embedder.at(PLANE, (1.0, 1.0), (50.0, 50.0))
    embedder.forget()
    assert not embedder.ready(PLANE, (1.0, 1.0), (50.0, 50.0))


def test_a_cancelled_encode_keeps_nothing():
    embedder, cancel = embedder_of((100, 100)), CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        embedder.at(PLANE, (1.0, 1.0), (50.0, 50.0), cancel)
    assert not embedder.ready(PLANE, (1.0, 1.0), (50.0, 50.0))


def features(kilobytes: int) -> ImageFeatures:
    return ImageFeatures(torch.zeros(1, 1, kilobytes * 16, 16))


def test_the_store_drops_the_least_recently_used():
    store = EmbeddingStore(max_bytes=3 * 1024)
    for name in "abc":
        store.put(name, features(1))
    assert store.get("a") is not None
    store.put("d", features(1))
    assert store.get("b") is None
    assert store.get("a") is not None
    assert store.bytes == 3 * 1024


def test_the_store_replaces_and_never_grows_beyond_its_bound():
    store = EmbeddingStore(max_bytes=3 * 1024)
    store.put("a", features(1))
    store.put("a", features(2))
    assert store.bytes == 2 * 1024
    store.put("huge", features(4))
    assert store.get("huge") is None
    assert store.bytes == 2 * 1024
    assert features(4).nbytes == 4096
    store.clear()
    assert store.bytes == 0


def test_room_is_what_half_the_store_holds_of_planes_like_one_that_is_embedded() -> None:
    pixels = np.random.default_rng(0).random((20, 90, 120), np.float32)
    planes = [Plane((1, 2), (at, 0, 0)) for at in range(20)]
    store = EmbeddingStore()
    embedder = Embedder(threshold_model(), ImageSource(pixels), Contrast(((0.0, 1.0),)), store)
    assert embedder.room(planes[0], [(1.0, 1.0)]) == 0
    list(embedder.prepare(planes[0], [(1.0, 1.0)], (45, 60)))
    store.max_bytes = 9 * store.bytes
    room = embedder.room(planes[0], [(1.0, 1.0)])
    assert room == 4
    for plane in planes[1 : 1 + room]:
        list(embedder.prepare(plane, [(1.0, 1.0)], (45, 60)))
    assert embedder.ready(planes[0], (1.0, 1.0), (45, 60))
    assert embedder.room(planes[0], [(2.0, 2.0)]) == 0


def test_areas_are_encoded_together_where_the_model_gains_by_it(monkeypatch):
    alone, together = embedder_of((2500, 2500)), embedder_of((2500, 2500))
    monkeypatch.setattr(together.model, "images_at_once", lambda pixels: 4)
    batches = []
    encode = together.model.encode
    monkeypatch.setattr(together.model, "encode", lambda images, cancel: batches.append(len(images)) or encode(images))
    step, center = (1.0, 1.0), (1200.0, 1200.0)

    singly = list(alone.prepare(PLANE, [step], center))
    jointly = list(together.prepare(PLANE, [step], center))

    total = len(singly)
    assert batches == [1, 4, 4]
    assert jointly == [(1, total), (5, total), (9, total)]
    for place in ((30.0, 40.0), (1200.0, 1300.0), (2400.0, 90.0)):
        ours, theirs = (embedder.at(PLANE, step, place).features for embedder in (together, alone))
        torch.testing.assert_close(ours.embedding, theirs.embedding)
        torch.testing.assert_close(ours.high_res, theirs.high_res)
    assert sum(batches) == total  # nothing was encoded again


def test_what_is_kept_of_a_batch_holds_no_more_memory_than_it_says(monkeypatch):
    store = EmbeddingStore()
    embedder = embedder_of((2500, 2500), store)
    monkeypatch.setattr(embedder.model, "images_at_once", lambda pixels: 8)
    list(embedder.prepare(PLANE, [(1.0, 1.0)], (0.0, 0.0)))
    held = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in kept_tensors(store)}
    assert sum(held.values()) == store.bytes


def kept_tensors(store):
    for features in store._kept.values():
        yield from (features.embedding, *features.high_res)


@pytest.mark.parametrize(("free", "expected"), [(2**40, 8), (9 * 2**30, 2), (2**20, 1)])
def test_a_gpu_encodes_as_many_areas_together_as_fit_its_memory(free, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2**41))
    model = threshold_model()
    assert model.images_at_once(1024 * 1024) == 1
    model.device = torch.device("cuda")
    assert model.images_at_once(1024 * 1024) == expected
