"""The ImageNet weights file: fetched from a server, placed by hand, or refused."""

import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.weights_files import IMAGENET, imagenet_path
from scripts.networks.weights_file import fetch_weights, initial_content, verified_content

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
    with pytest.raises(StudyError, match="could not be downloaded.*put it at"):
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
    models = pytest.importorskip("torchvision").models
    for backbone, file in IMAGENET.items():
        assert models.get_model_weights(backbone).IMAGENET1K_V1.url.endswith(f"/{file}")
