"""The trunks: their stages, their numbers beside an independent module's, and the files that they take."""

from __future__ import annotations

import copy
import io
import re
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
import torch
import torchvision
from torch import nn

from scripts.common.errors import StudyError
from scripts.common.trunks import EFFICIENTNET_LITE0, RESNET18, TRUNKS
from scripts.common.weights_files import IMAGENET
from scripts.networks.trunks.efficientnet_lite0 import INPUT_SCALE, SameConv
from scripts.networks.trunks.registry import new_trunk
from scripts.networks.weights_file import address_of
from tests.networks.made_weights import saved, trained_like


@pytest.fixture(scope="module")
def packaged() -> bytes:
    """The file of EfficientNet-Lite0's weights."""
    return Path(url2pathname(urlparse(address_of(IMAGENET[EFFICIENTNET_LITE0])).path)).read_bytes()


@pytest.fixture(scope="module")
def lite(packaged):
    """EfficientNet-Lite0 with these weights, in evaluation mode."""
    trunk = new_trunk(EFFICIENTNET_LITE0).eval()
    trunk.load_initial(packaged)
    return trunk


# ------------------------------------------------------------------------------------------------ stages


@pytest.mark.parametrize("name", [*TRUNKS, "densenet121"])
def test_the_stages_one_after_the_other_are_the_trunk(name):
    torch.manual_seed(1)
    trunk = trained_like(new_trunk(name))
    x = films = torch.randn(2, 1, 65, 96)
    with torch.no_grad():
        for stage in trunk.stages:
            x = stage(x)
        assert torch.equal(trunk(films), x) and x.shape[:2] == (2, trunk.width)
    of_stages = [id(p) for stage in trunk.stages for p in stage.parameters()]
    assert sorted(of_stages) == sorted(id(p) for p in trunk.parameters())  # each in one stage
    if name in TRUNKS:
        assert TRUNKS[name][:2] == (len(trunk.stages), trunk.width)


@pytest.mark.parametrize("name", list(TRUNKS))
def test_norms_are_folded_in_a_copy_and_change_no_map(name):
    torch.manual_seed(2)
    trunk, films = trained_like(new_trunk(name)), torch.randn(2, 1, 96, 65)
    fused = copy.deepcopy(trunk)
    fused.fold_norms()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    with torch.inference_mode():
        expected = trunk(films)
        torch.testing.assert_close(fused(films), expected, atol=1e-3, rtol=1e-3)
        got = fused.scorer("cpu", "fp32")(films)
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-3)
    assert any(isinstance(module, nn.BatchNorm2d) for module in trunk.modules())


@pytest.mark.parametrize("name", list(TRUNKS))
@pytest.mark.parametrize("side", [64, 97])
def test_the_largest_map_is_the_largest(name, side):
    trunk, sizes = new_trunk(name), []
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, out: sizes.append(out.numel()))
    trunk(torch.zeros(1, 1, side, side).expand(2, -1, -1, -1))
    assert trunk.largest_map(side) == max(sizes) // 2


# ------------------------------------------------------------------------------------ EfficientNet-Lite0


def test_every_number_of_the_packages_file_has_its_place(packaged, lite):
    file = torch.load(io.BytesIO(packaged), map_location="cpu", weights_only=True)
    assert len(file) == 296
    # the file's, less the classifier, and one colour of the first convolution instead of three
    assert sum(v.numel() for v in file.values()) == 4_694_073
    assert sum(v.numel() for v in lite.state_dict().values()) == 4_694_073 - 1000 * 1281 - 2 * 32 * 9
    stem = file["_conv_stem.weight"].sum(1, keepdim=True) * INPUT_SCALE
    assert torch.equal(lite.stages[0].conv.weight, stem)


def test_it_gives_the_numbers_of_another_implementation(lite):
    """timm 1.0.31's ``tf_efficientnet_lite0`` with the file's weights, on half of the film in three channels:
    its ``forward_features``, from which ours differed by at most 2e-5 at 448, 97 and 64 pixels too.
    """
    n = torch.arange(96 * 96.0).view(1, 1, 96, 96)
    with torch.no_grad():
        maps = lite(torch.sin(n * 0.37) + torch.cos(n * 0.011))
    assert maps.shape == (1, 1280, 3, 3)
    assert (maps.mean().item(), maps.std().item()) == pytest.approx((0.253923, 0.820995), abs=1e-4)
    first = [0.0, 0.0, 0.29433, 0.0, 0.0, 0.00303, 0.0, 0.93186]
    assert maps.mean((2, 3))[0, :8].tolist() == pytest.approx(first, abs=1e-3)
    assert maps[0, 2, 0, 2].item() == pytest.approx(0.731611, abs=1e-3)


@pytest.mark.parametrize(("side", "kernel", "before", "behind"), [(8, 3, 0, 1), (7, 3, 1, 1), (8, 5, 1, 2)])
def test_it_pads_as_tensorflow_does(side, kernel, before, behind):
    torch.manual_seed(3)
    convolution, x = SameConv(1, 2, kernel, 2, bias=False), torch.randn(1, 1, side, side)
    padded = nn.functional.pad(x, (before, behind, before, behind))
    expected = nn.functional.conv2d(padded, convolution.weight, stride=2)
    assert torch.equal(convolution(x), expected) and expected.shape[-1] == -(-side // 2)


# --------------------------------------------------------------------------------- files of other naming


def made_up(name: str) -> dict[str, torch.Tensor]:
    """A file of torchvision's backbone ``name`` with weights of its own, for 14 findings."""
    torch.manual_seed(4)
    return trained_like(torchvision.models.get_model(name, weights=None, num_classes=14)).state_dict()


def maps_of(name: str, weights: dict) -> torch.Tensor:
    trunk = new_trunk(name).eval()
    trunk.load_initial(saved(weights))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        return trunk(torch.randn(1, 1, 64, 64, generator=generator))


def before(prefix: str, weights: dict) -> dict:
    return {f"{prefix}{name}": value for name, value in weights.items()}


def one_channel(weights: dict) -> dict:
    return {n: v.sum(1, keepdim=True) if v.ndim == 4 and v.shape[1] == 3 else v for n, v in weights.items()}


WAYS = {
    "as it is": lambda w: w,
    "module.": lambda w: before("module.", w),
    "model.": lambda w: before("model.", w),
    "state_dict": lambda w: {"epoch": 3, "state_dict": w, "best": 0.8},
    "state_dict, module.model.": lambda w: {"state_dict": before("module.model.", w)},
    "one channel": one_channel,
    "buffers that stand alone": lambda w: w | {"op_threshs": torch.zeros(18)},
    "more beside the backbone": lambda w: before("backbone.", w) | {"decoder.0.weight": torch.zeros(3, 3)},
    "no classifier": lambda w: {n: v for n, v in w.items() if n.split(".")[0] not in ("fc", "classifier")},
    "old PyTorch": lambda w: {n: v for n, v in w.items() if not n.endswith("num_batches_tracked")},
    "half": lambda w: {n: v.half().float() for n, v in w.items()},
}
OF_DENSENETS = {
    "CheXNet": lambda w: {
        "state_dict": before(
            "module.densenet121.",
            {re.sub(r"(layer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", n): v for n, v in w.items()},
        )
    },
    "without features.": lambda w: {n.removeprefix("features."): v for n, v in w.items()},
    "module., without features.": lambda w: before(
        "module.", {n.removeprefix("features."): v for n, v in w.items()}
    ),
    "features. twice": lambda w: before("features.", w),
}


@pytest.mark.parametrize("name", [RESNET18, "densenet121"])
def test_a_file_is_taken_however_its_names_begin(name):
    weights = made_up(name)
    expected = maps_of(name, weights)
    for way, changed in (WAYS | (OF_DENSENETS if name == "densenet121" else {})).items():
        exact = {"half": 0.1, "one channel": 1e-4}.get(way, 0)
        torch.testing.assert_close(maps_of(name, changed(weights)), expected, atol=exact, rtol=exact)


def timm_named(file: dict) -> dict:
    """The file of EfficientNet-Lite0 by timm's names, written down by its rules."""
    depths, named = (1, 2, 2, 3, 3, 4, 1), {}
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
    for name, value in file.items():
        parts = name.split(".")
        if parts[0] == "_blocks":
            stage, block = places[int(parts[1])]
            first = stage == 0  # it has no expansion, and its projection is called as the expansion elsewhere
            layer = {
                "_expand_conv": "conv_pw",
                "_bn0": "bn1",
                "_depthwise_conv": "conv_dw",
                "_bn1": "bn1" if first else "bn2",
                "_project_conv": "conv_pw" if first else "conv_pwl",
                "_bn2": "bn2" if first else "bn3",
            }[parts[2]]
            named[f"blocks.{stage}.{block}.{layer}.{parts[3]}"] = value
        else:
            top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
            named[f"{top.get(parts[0], 'classifier')}.{parts[1]}"] = value
    return named


def test_efficientnet_lite0_takes_both_namings_with_any_beginning(packaged):
    file = torch.load(io.BytesIO(packaged), map_location="cpu", weights_only=True)
    expected = maps_of(EFFICIENTNET_LITE0, file)
    timm = timm_named(file)
    assert len(timm) == 296 and list(timm)[:2] == ["conv_stem.weight", "bn1.weight"]
    for way in ("as it is", "module.", "state_dict, module.model.", "old PyTorch", "no classifier"):
        for weights in (file, timm):
            assert torch.equal(maps_of(EFFICIENTNET_LITE0, WAYS[way](weights)), expected), way


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        (RESNET18, lambda: made_up("resnet34"), "'layer1.2.bn1.bias' has no place"),
        (RESNET18, lambda: before("module.", made_up("resnet50")), r"'layer1.0.conv1.weight' is \(64, 64, 1"),
        (RESNET18, lambda: made_up("densenet121"), "lacks 'conv1.weight'"),
        (
            "densenet121",
            lambda: made_up("densenet169"),
            r"'features.transition3.norm.weight' is \(1280,\) there and \(1024,\) here",
        ),
        ("densenet121", lambda: made_up("resnet18"), "lacks 'features.conv0.weight'"),
        (EFFICIENTNET_LITE0, lambda: made_up("efficientnet_b0"), "lacks '_conv_stem.weight'"),
        (
            RESNET18,
            lambda: made_up("resnet18") | {"conv1.weight": torch.zeros(64, 2, 7, 7)},
            r"'conv1.weight' is \(64, 2, 7, 7\) there and \(64, 1, 7, 7\) here",
        ),
        (
            RESNET18,
            lambda: before("query.", made_up("resnet18")) | before("key.", made_up("resnet18")),
            r"several such backbones, under '(query|key)\.' and '(query|key)\.'; keep one",
        ),
        # what a fold trained, taken out of its file
        (RESNET18, lambda: before("trunk.", made_up("resnet18")), "holds a trained network"),
        (RESNET18, lambda: {"state_dict": before("module.trunk.", made_up("resnet18"))}, "trained network"),
        (RESNET18, lambda: {"model": made_up("resnet18")}, "holds a trained network"),
        (RESNET18, lambda: {"state_dict": {"conv1.weight": 3}}, "holds no table of weights"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_a_sentence(name, weights, said):
    trunk = new_trunk(name)
    untouched = copy.deepcopy(trunk.state_dict())
    with pytest.raises(StudyError, match=f"the weights file .*{said}.*Give 'imagenet', 'random'"):
        trunk.load_initial(saved(weights()))
    assert all(torch.equal(value, untouched[entry]) for entry, value in trunk.state_dict().items())
