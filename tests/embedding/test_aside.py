"""What is encoded before it is asked for leaves no trace until it is."""

import numpy as np
import torch

from napari_sam.embedding.embedder import Embedder
from napari_sam.embedding.store import EmbeddingStore, SpeculativeStore
from napari_sam.nn.network import ImageFeatures
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model

PLANE = Plane((0, 1), (0, 0))
STEP, PLACE = (1.0, 1.0), (1000.0, 777.0)


def features(kilobytes: int) -> ImageFeatures:
    return ImageFeatures(torch.zeros(1, 1, kilobytes * 16, 16))


def embedder_on(store: EmbeddingStore) -> tuple[Embedder, list[tuple[int, int]]]:
    pixels = np.random.default_rng(0).random((2000, 2000), np.float32)
    model = threshold_model()
    assert isinstance(model.network, ThresholdNetwork)
    return Embedder(model, ImageSource(pixels), Contrast(((0.0, 1.0),)), store), model.network.encoded


def test_what_is_put_aside_pushes_nothing_out_of_the_other_store():
    store = EmbeddingStore(max_bytes=2 * 1024)
    aside = SpeculativeStore(store, max_bytes=2 * 1024)
    for name in "ab":
        store.put(name, features(1))
    for name in "cde":
        aside.put(name, features(1))
    assert [aside.get(name) is not None for name in "abcde"] == [True, True, False, True, True]
    assert [store.get(name) is not None for name in "abcde"] == [True, True, False, False, False]
    assert store.bytes == aside.bytes == 2 * 1024


def test_what_is_taken_from_aside_is_there_no_longer():
    store = EmbeddingStore()
    aside = SpeculativeStore(store)
    kept = features(1)
    aside.put("a", kept)
    store.put("b", features(1))
    assert aside.take("a") is kept
    assert aside.take("a") is aside.take("b") is None
    assert aside.bytes == 0
    assert store.get("b") is not None


def test_an_area_that_is_encoded_aside_is_not_at_hand():
    store = EmbeddingStore()
    embedder, encoded = embedder_on(store)
    embedded = embedder.aside(PLANE).at(PLANE, STEP, PLACE, tight=True)
    assert len(encoded) == 1
    assert not embedder.ready(PLANE, STEP, PLACE)
    assert store.bytes == 0
    # Somewhere near it would do, but an area of its own would be encoded there had nothing been supposed.
    near = embedder.at(PLANE, STEP, (PLACE[0] - 4, PLACE[1]), tight=True)
    assert len(encoded) == 2
    assert near.area != embedded.area


def test_an_area_that_was_encoded_aside_is_not_encoded_again_when_it_is_asked_for():
    store = EmbeddingStore()
    embedder, encoded = embedder_on(store)
    supposed = embedder.aside(PLANE).at(PLANE, STEP, PLACE, tight=True)
    asked = embedder.at(PLANE, STEP, PLACE, tight=True)
    assert asked.area == supposed.area
    assert torch.equal(asked.features.embedding, supposed.features.embedding)
    assert len(encoded) == 1
    assert embedder.ready(PLANE, STEP, PLACE)
    assert store.bytes > 0


def test_areas_are_taken_in_once_they_turn_out_to_be_needed():
    store = EmbeddingStore()
    embedder, encoded = embedder_on(store)
    supposed = embedder.aside(PLANE).at(PLANE, STEP, PLACE)
    embedder.take_in(PLANE, [supposed.area, supposed.area])
    assert embedder.ready(PLANE, STEP, PLACE)
    assert len(encoded) == 1
    assert store.bytes > 0


def test_what_was_supposed_twice_is_encoded_once_and_at_hand_for_the_rest_of_the_answer():
    embedder, encoded = embedder_on(EmbeddingStore())
    first = embedder.aside(PLANE).at(PLANE, STEP, PLACE, tight=True)
    again = embedder.aside(PLANE)
    assert not again.ready(PLANE, STEP, PLACE)
    assert again.at(PLANE, STEP, PLACE, tight=True).area == first.area
    # A tight area is taken where a larger one would be encoded otherwise.
    assert again.at(PLANE, STEP, PLACE).area == first.area
    assert len(encoded) == 1


def test_what_is_at_hand_is_used_aside_too():
    embedder, encoded = embedder_on(EmbeddingStore())
    there = embedder.at(PLANE, STEP, PLACE)
    assert embedder.aside(PLANE).at(PLANE, STEP, PLACE).area == there.area
    assert len(encoded) == 1


def test_forgetting_forgets_what_is_aside():
    embedder, encoded = embedder_on(EmbeddingStore())
    embedder.aside(PLANE).at(PLANE, STEP, PLACE)
    embedder.forget()
    embedder.at(PLANE, STEP, PLACE)
    assert len(encoded) == 2
