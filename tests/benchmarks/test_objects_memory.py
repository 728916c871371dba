"""The promise about memory: 500 objects on a 100-plane stack add less than 200 MB."""

from benchmarks.objects_memory import many_objects


def test_many_objects_take_little_memory() -> None:
    # The newest objects are held whole, in an amount that is bounded; each older one adds a little.
    some, more = many_objects(90, side=512), many_objects(130, side=512)
    assert (some["objects"], more["objects"]) == (90, 130)
    each = max(more["held_mb"] - some["held_mb"], 0) / 40
    assert more["held_mb"] + (500 - 130) * each < 200
    assert more["peak_mb"] < 200
