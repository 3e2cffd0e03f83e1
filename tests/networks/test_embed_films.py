"""Embeddings of films: what they are of, the same bytes each time, flat memory."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks.cells import pooling
from scripts.networks.csv_tables import read_csv
from scripts.networks.film_embeddings import embed_films, embedding
from scripts.networks.films import FilmStack
from scripts.networks.trunks.resnet18 import ResNet18

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """A ResNet-18 of torchvision's, and its file."""
    torch.manual_seed(3)
    network = torchvision.models.resnet18(weights=None).eval()
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(network.state_dict(), path)
    return network, path


def embedded(cache, weights, folder, name="a", grid=1):
    output = folder / f"{name}.csv"
    embed_films(cache, "head", "resnet18", grid, weights, output, "cpu", 1, Log(None, "test", echo=False))
    return output


def test_an_embedding_is_the_mean_of_torchvisions_features_of_film_and_mirror_image(
    cache, resnet18, tmp_path
):
    network, path = resnet18
    rows = read_csv(embedded(cache, path, tmp_path), ())
    assert list(rows[0]) == ["image_id", *(f"e{k}" for k in range(512))]
    assert [row["image_id"] for row in rows] == [f"image{n:03d}" for n in range(40)]
    network.fc = torch.nn.Identity()
    for n in (0, 1, 39):
        film = FilmStack(cache, 96).batch([n]).expand(-1, 3, -1, -1)
        with torch.no_grad():
            expected = (network(film) + network(film.flip(3)))[0].numpy() / 2
        got = np.array([float(rows[n][f"e{k}"]) for k in range(512)])
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)
    assert len({tuple(row.values())[1:] for row in rows}) == 40


@pytest.mark.parametrize("grid", [1, 3])
def test_a_mirrored_film_has_the_same_embedding(grid):
    torch.manual_seed(1)
    trunk, films = ResNet18(8).eval(), torch.randn(2, 1, 64, 64)
    torch.testing.assert_close(embedding(trunk, films.flip(3), grid), embedding(trunk, films, grid))


def test_cells_are_means_by_area_and_lie_row_by_row():
    """A grid that divides the map cuts it as ``avg_pool2d`` does; one that doesn't shares places out."""
    torch.manual_seed(1)
    maps = torch.randn(2, 5, 6, 6)
    cells = (maps.flatten(2) @ pooling(6, 3)).view(2, 5, 3, 3)
    torch.testing.assert_close(cells, torch.nn.functional.avg_pool2d(maps, 2))
    finer = maps.repeat_interleave(4, 2).repeat_interleave(4, 3)  # 24 x 24: 6 places of it to a cell
    shared = (maps.flatten(2) @ pooling(6, 4)).view(2, 5, 4, 4)
    torch.testing.assert_close(shared, torch.nn.functional.avg_pool2d(finer, 6))
    torch.testing.assert_close(pooling(7, 4).sum(0), torch.ones(16))


def test_a_grid_gives_the_means_of_its_cells(cache, resnet18, tmp_path):
    whole = read_csv(embedded(cache, resnet18[1], tmp_path), ())
    rows = read_csv(embedded(cache, resnet18[1], tmp_path, "grid", grid=3), ())
    values = np.array([[float(row[f"e{k}"]) for k in range(9 * 512)] for row in rows]).reshape(-1, 9, 512)
    means = np.array([[float(row[f"e{k}"]) for k in range(512)] for row in whole])
    np.testing.assert_allclose(values.mean(1), means, atol=1e-5)
    trunk = ResNet18().eval()
    trunk.load_initial(resnet18[1].read_bytes())
    film = FilmStack(cache, 96).batch([7])
    with torch.no_grad():
        maps = (trunk(film) + trunk(film.flip(3)))[0] / 2
    np.testing.assert_allclose(values[7].T.reshape(512, 3, 3), maps.numpy(), atol=1e-5)


def test_a_second_run_by_the_command_gives_the_same_bytes(cache, resnet18, tmp_path):
    first = embedded(cache, resnet18[1], tmp_path)
    again = tmp_path / "b.csv"
    command = ["-m", "scripts.networks.embed_films", "--cache", cache, "--model", "head", "--trunk"]
    command += ["resnet18", "--weights", resnet18[1], "--output", again, "--device", "cpu"]
    done = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert again.read_bytes() == first.read_bytes()
    digits = {len(cell.lstrip("-0.").split("e")[0].replace(".", "")) for cell in
              first.read_text().splitlines()[1].split(",")[1:]}  # fmt: skip
    assert max(digits) <= 9


def test_memory_does_not_grow_with_the_films(make_cache, resnet18, tmp_path):
    peaks = []
    for films in (20, 220):
        cache = make_cache(tmp_path / f"cache_{films}", films, 32)
        tracemalloc.start()
        embedded(cache, resnet18[1], tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 200 * 512 * 8  # the numbers alone of the further films


def test_a_file_that_does_not_fit_is_refused_with_its_key(cache, resnet18, tmp_path):
    with pytest.raises(StudyError, match=r"models\.head\.init: the file .* is not there"):
        embedded(cache, tmp_path / "none.pth", tmp_path)
    buffer = io.BytesIO()
    torch.save({"model": {}}, buffer)
    (tmp_path / "fold.pt").write_bytes(buffer.getvalue())
    with pytest.raises(StudyError, match=r"models\.head\.init: the weights file holds a trained network"):
        embedded(cache, tmp_path / "fold.pt", tmp_path)
    cut = tmp_path / "resnet18-f37072fd.pth"
    cut.write_bytes(resnet18[1].read_bytes())
    with pytest.raises(StudyError, match=r"models\.head\.init: .*SHA-256 is not the known one"):
        embedded(cache, cut, tmp_path)
