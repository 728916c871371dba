"""Fetching weights from a server that does everything wrong."""

import hashlib
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from napari_sam.errors import UserError
from napari_sam.models.cache import partial_path
from napari_sam.models.download import fetch, remove
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.cancel import Cancelled, CancelToken

CONTENT = bytes(range(256)) * 2000
NAME = "some"


@pytest.fixture
def path(tmp_path, monkeypatch, server):
    """Where the file belongs; the registry names the server as its source."""
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "downloads"))
    for variable in ("NAPARI_SAM_MIRROR", "NAPARI_SAM_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    server.content = CONTENT
    register(monkeypatch, server, known_hash=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    return tmp_path / "downloads" / "some.pth"


def register(monkeypatch, server, **changes):
    spec = replace(REGISTRY["vit_b"], name=NAME, file_name="some.pth", url=f"{server.url}/some.pth")
    spec = replace(spec, size_bytes=len(CONTENT), **changes)
    monkeypatch.setattr("napari_sam.models.cache.REGISTRY", {NAME: spec, "nano": REGISTRY["nano"]})


def get(**options):
    return fetch(NAME, **({"timeout": 0.3, "pause": 0.01} | options))


def refused(**options):
    with pytest.raises(UserError) as caught:
        get(**options)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def assert_fetched(path):
    assert path.read_bytes() == CONTENT
    assert not partial_path(path).exists()


def test_file_is_fetched_once(path, server):
    seen = []

    assert get(progress=lambda done, total: seen.append((done, total))) == path
    assert_fetched(path)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)

    assert get() == path
    assert len(server.requests) == 1


def test_hashes_of_either_kind(path, server, monkeypatch):
    register(monkeypatch, server, known_hash=f"xxh128:{xxhash.xxh3_128(CONTENT).hexdigest()}")
    assert_fetched(get())


def test_connection_that_breaks_off_goes_on_where_it_stopped(path, server):
    server.breaks_after = [200_000, 150_000, 10**9]

    assert_fetched(get())

    assert [wanted for _, wanted in server.requests] == [None, "bytes=200000-", "bytes=350000-"]


def test_connection_that_keeps_breaking_off_leaves_what_came_for_the_next_time(path, server):
    server.breaks_after = [100_000, 0]

    assert "the connection broke off" in refused()
    assert not path.exists()
    assert partial_path(path).read_bytes() == CONTENT[:100_000]

    server.breaks_after = []
    server.requests.clear()
    assert_fetched(get())
    assert server.requests == [("/some.pth", "bytes=100000-")]


def test_server_that_stalls_is_given_up_and_asked_again(path, server):
    server.stalls_after = 300_000
    assert_fetched(get())
    assert [wanted for _, wanted in server.requests] == [None, "bytes=300000-"]


def test_server_that_never_sends_anything(path, server):
    server.stalls_after = 0
    assert "no answer for 0.1 seconds" in refused(timeout=0.1)


def test_cancelling_keeps_what_came(path, server, wait_until):
    server.pause_per_chunk = 0.01
    token = CancelToken()

    def progress(done, total):
        if done > 100_000:
            token.cancel()

    with pytest.raises(Cancelled):
        get(progress=progress, cancel=token)
    kept = partial_path(path).stat().st_size
    assert 0 < kept < len(CONTENT)
    assert not path.exists()

    server.pause_per_chunk = 0
    assert_fetched(get())
    assert server.requests[-1][1] == f"bytes={kept}-"


@pytest.mark.parametrize("ignores_range", [True, False])
def test_server_that_claims_more_than_it_has(path, server, ignores_range):
    server.claims = len(CONTENT) + 1000
    server.ignores_range = ignores_range
    assert_fetched(get())


def test_server_that_claims_less_than_it_has(path, server):
    server.claims = len(CONTENT) - 1000

    assert "was removed" in refused()

    assert not partial_path(path).exists()
    assert not path.exists()


def test_server_that_does_not_say_the_length(path, server):
    server.silent_about_length = True
    assert_fetched(get())


def test_server_that_sends_chunks_and_breaks_off(path, server):
    server.in_chunks = True
    server.breaks_after = [200_000, 10**9]
    assert_fetched(get())
    assert server.requests[-1][1] == "bytes=200000-"


@pytest.mark.parametrize("silent", [True, False])
def test_server_that_sends_no_end_is_not_let_fill_the_disk(path, server, silent):
    server.silent_about_length = silent
    server.content = CONTENT * 3

    assert "another file" in refused()

    assert not partial_path(path).exists()


def test_server_that_ignores_ranges_begins_anew(path, server):
    server.ignores_range = True
    server.breaks_after = [200_000, 10**9]
    assert_fetched(get())


def test_server_that_goes_on_elsewhere_than_asked_begins_anew(path, server):
    path.parent.mkdir()
    partial_path(path).write_bytes(CONTENT[:50_000])
    server.resumes_at = 0
    assert_fetched(get())


def test_server_that_ignores_ranges_and_always_breaks_off_ends(path, server):
    server.ignores_range = True
    server.breaks_after = [200_000, 100_000] * 20

    assert "broke off" in refused()

    assert len(server.requests) < 10


def test_wrong_bytes_are_removed_and_said(path, server):
    server.content = CONTENT[:-1] + b"?"

    assert "is not some" in refused()

    assert not path.exists()
    assert not partial_path(path).exists()
    assert len(server.requests) == 1


def test_rest_of_another_file_is_dropped_and_all_fetched_anew(path, server):
    path.parent.mkdir()
    partial_path(path).write_bytes(b"x" * 1000)

    assert_fetched(get())

    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


def test_complete_rest_is_used(path, server):
    path.parent.mkdir()
    partial_path(path).write_bytes(CONTENT)
    assert_fetched(get())


def test_damaged_file_is_replaced(path):
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    assert_fetched(get())


def test_redirections_are_followed(path, server):
    server.redirects = 2
    assert_fetched(get())
    assert [where for where, _ in server.requests] == ["/some.pth", "/elsewhere/1", "/elsewhere/0"]


@pytest.mark.parametrize("goal", [None, "file:///etc/passwd", "http://"])
def test_redirections_that_lead_nowhere(path, server, goal):
    server.redirects = 100
    server.redirects_to = goal
    assert "cannot be fetched" in refused()


def test_missing_file_is_not_asked_for_again(path, server):
    server.statuses = [404]
    assert "answered 404" in refused()
    assert len(server.requests) == 1


def test_busy_server_is_asked_again(path, server):
    server.statuses = [503, 500]
    assert_fetched(get())


def test_broken_server_is_given_up(path, server):
    server.statuses = [500] * 10
    assert "answered 500" in refused()


def test_no_network_says_which_file_to_put_where(path, server, monkeypatch):
    register(monkeypatch, server, known_hash="sha256:0", url="http://127.0.0.1:9/some.pth")

    sentence = refused()

    assert f"get http://127.0.0.1:9/some.pth on another machine and put it at {path}" in sentence


def test_offline_asks_nobody(path, server, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_OFFLINE", "1")

    assert f"put it at {path}" in refused()
    assert not server.requests

    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    assert get() == path


def test_mirror_is_asked_instead_of_the_publisher(path, server, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_MIRROR", f"{server.url}/mirror/")
    assert_fetched(get())
    assert server.requests == [("/mirror/some.pth", None)]


def test_too_little_space_is_noticed_before(path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))

    assert "free some space" in refused()
    assert not partial_path(path).exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_disk_that_fills_up_meanwhile(path):
    path.parent.mkdir()
    partial_path(path).symlink_to("/dev/full")

    assert "is full" in refused()


def test_folder_that_cannot_be_made(path):
    path.parent.write_text("a file, not a folder")
    assert "cannot be kept" in refused()


def test_two_at_once_fetch_once(path, server):
    server.pause_per_chunk = 0.005
    results = []
    threads = [threading.Thread(target=lambda: results.append(get(timeout=5))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [path] * 3
    assert_fetched(path)
    assert len(server.requests) == 1


def test_one_waits_for_another_process_and_can_be_cancelled(path, server):
    path.parent.mkdir()
    code = (
        "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire()\n"
        "print('locked', flush=True); input()"
    )
    lock = f"{path}.lock"
    with subprocess.Popen([sys.executable, "-c", code, lock], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        token = CancelToken()
        with pytest.raises(Cancelled):
            get(progress=lambda done, total: token.cancel(), cancel=token)
        partial_path(path).write_bytes(b"the other's")
        with pytest.raises(UserError, match="is being downloaded"):
            remove(NAME)
        # A process that dies leaves no lock behind.
        other.kill()
    partial_path(path).unlink()
    assert_fetched(get())


def test_removing(path):
    assert not remove(NAME)
    get()
    assert remove(NAME)
    assert not path.exists()


def test_names_that_cannot_be_fetched(path):
    with pytest.raises(UserError, match="no model cellpose; choose one of some"):
        fetch("cellpose")
    with pytest.raises(UserError, match="needs no download"):
        fetch("nano")


def test_registry_is_complete():
    assert set(REGISTRY) == {"nano"} | {f"vit_{size}" for size in "tblh"} | {
        f"vit_{size}_{kind}" for size in "tbl" for kind in ("lm", "em_organelles")
    }
    downloads = [spec for spec in REGISTRY.values() if not spec.bundled]
    assert len({spec.file_name for spec in downloads}) == len(downloads)
    for spec in downloads:
        algorithm, _, digits = spec.known_hash.partition(":")
        assert len(bytes.fromhex(digits)) == {"sha256": 32, "xxh128": 16}[algorithm]
        assert spec.url.startswith("https://")
        assert os.path.basename(spec.file_name) == spec.file_name  # noqa: PTH119
        assert spec.name.startswith(spec.architecture)
        assert spec.suits
