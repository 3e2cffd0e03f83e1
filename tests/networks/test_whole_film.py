"""A torchvision backbone over the whole film, against torchvision's own layers."""

from __future__ import annotations

import re

import pytest
import torch
import torchvision
from torch import nn

from scripts.common.backbones import backbones
from scripts.common.errors import StudyError
from scripts.common.trunks import TRUNKS
from scripts.networks.kinds.whole_film import WholeFilmNetwork
from scripts.networks.kinds.whole_film_architecture import WholeFilmArchitecture
from scripts.networks.scoring import for_scoring
from scripts.networks.training_store import weights_bytes
from tests.networks.made_weights import saved, trained_like

TESTED = ("resnet18", "densenet121")


def whole_film(backbone, side=96, dropout=0.1, seed=0):
    torch.manual_seed(seed)
    return WholeFilmNetwork(WholeFilmArchitecture(backbone, side, dropout))


def torchvisions_maps(backbone, films):
    """The last maps of torchvision's own network for films in three equal channels."""
    films = films.expand(-1, 3, -1, -1)
    if isinstance(backbone, torchvision.models.DenseNet):
        return backbone.features(films).relu()
    x = backbone.maxpool(backbone.relu(backbone.bn1(backbone.conv1(films))))
    return backbone.layer4(backbone.layer3(backbone.layer2(backbone.layer1(x))))


@pytest.mark.parametrize("name", TESTED)
def test_the_trunk_is_torchvisions_and_takes_its_file(name):
    original = trained_like(torchvision.models.get_model(name, weights=None))
    weights = original.state_dict()
    if name == "densenet121":  # so are they called in torchvision's own file
        weights = {re.sub(r"(layer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", k): v for k, v in weights.items()}
        weights = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
        assert any(".denselayer1.norm.1." in k for k in weights)
    network = whole_film(name).eval()
    head = network.head.weight.clone()
    network.load_initial(saved(weights))
    films = torch.randn(2, 1, 96, 96)
    with torch.no_grad():
        expected = torchvisions_maps(original, films)
        torch.testing.assert_close(network.trunk(films), expected, atol=1e-4, rtol=1e-4)
        logits = network(films)
        pooled = expected.mean((2, 3)) @ network.head.weight[0] + network.head.bias
    assert len(logits) == 1 and logits[0].shape == (2,)
    torch.testing.assert_close(logits[0], pooled, atol=1e-4, rtol=1e-4)
    assert torch.equal(network.head.weight, head)


def test_a_file_of_another_backbone_or_of_a_fold_is_refused():
    network = whole_film("resnet18")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for content, said in (
        (saved(torchvision.models.densenet121(weights=None).state_dict()), "it lacks 'conv1.weight'"),
        (saved(torchvision.models.resnet34(weights=None).state_dict()), "'layer1.2.bn1.bias' has no place"),
        (saved({"conv1.weight": torch.zeros(8, 3, 7, 7)}), r"\(8, 1, 7, 7\) there and \(64, 1, 7, 7\) here"),
        (weights_bytes(network, "fp32", 0), "holds a trained network"),
        (b"nothing", "can't be read"),
    ):
        with pytest.raises(StudyError, match=said):
            network.load_initial(content)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", TESTED)
def test_norms_folded_where_they_follow_a_convolution_change_no_logit(name):
    network = trained_like(whole_film(name))
    fused = for_scoring(network)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in one.modules()) for one in (network, fused)]
    # of a DenseNet's 121, 62 stand in front of a ReLU and a convolution that have other inputs
    assert norms == {"resnet18": [20, 0], "densenet121": [121, 62]}[name]
    films = torch.randn(2, 1, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(fused(films)[0], network(films)[0], atol=1e-4, rtol=1e-4)
        assert torch.equal(fused.scorer("cpu", "fp32")(films), fused(films)[0])


def test_norms_are_measured_and_nothing_random_has_a_part_in_it():
    batches = [torch.randn(4, 1, 64, 64) for _ in range(3)]
    measured = []
    for seed in (1, 2):
        network = whole_film("efficientnet_b0", 64).train()  # it leaves out layers at random in training
        torch.manual_seed(seed)
        network.measure_norms(iter(batches))
        measured.append(network.state_dict())
        assert all(module.training for module in network.modules())
    assert all(torch.equal(measured[1][name], value) for name, value in measured[0].items())
    first = torch.stack(
        [network.trunk.get_submodule("stages.0.features.0.0")(b).mean((0, 2, 3)) for b in batches]
    )
    norm = network.trunk.get_submodule("stages.0.features.0.1")
    torch.testing.assert_close(norm.running_mean, first.mean(0), atol=1e-5, rtol=1e-4)
    assert norm.momentum is not None


def test_a_backbone_without_batch_norm_has_nothing_to_measure():
    network = whole_film("vgg11", 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.measure_norms([torch.randn(2, 1, 32, 32)])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", TESTED)
def test_evidence_is_the_gradient_times_the_maps_and_sums_to_the_logit(name):
    network = trained_like(whole_film(name, 128))
    films = torch.randn(2, 1, 128, 128)
    evidence = network.evidence(films)
    assert evidence.shape == (2, 4, 4)
    maps = network.trunk(films).detach().requires_grad_()
    logits = network.head(network.dropout(maps.mean((2, 3)))).squeeze(-1)
    (gradient,) = torch.autograd.grad(logits.sum(), maps)
    torch.testing.assert_close(evidence, (gradient * maps).sum(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        evidence.sum((1, 2)), logits.detach() - network.head.bias.detach(), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("name", TESTED)
def test_evidence_lies_where_the_film_differs(name):
    network = trained_like(whole_film(name, 256))
    blank = torch.zeros(1, 1, 256, 256)
    for row, column in ((1, 6), (6, 2)):
        film = blank.clone()
        film[..., 32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = torch.randn(32, 32)
        change = (network.evidence(film) - network.evidence(blank))[0].abs()
        share, place = change / change.sum(), torch.arange(8.0)
        assert (share.sum(1) @ place).item() == pytest.approx(row, abs=1.5)
        assert (share.sum(0) @ place).item() == pytest.approx(column, abs=1.5)


def test_the_table_of_backbones_has_torchvisions_names_and_our_own():
    names = set(torchvision.models.list_models(module=torchvision.models))
    left_out = {n for n in names if n.startswith(("vit_", "maxvit", "googlenet", "inception"))}
    assert backbones().keys() == (names - left_out) | TRUNKS.keys()


@pytest.mark.parametrize(
    ("name", "side", "said"),
    [
        ("resnet81", 96, r"did you mean 'resnet18'\?"),
        ("vit_b_16", 224, "none of those for films of any size"),
        ("alexnet", 62, r"side \(62\) is too small for alexnet; set at least 63"),
    ],
)
def test_what_cannot_look_at_a_film_is_refused(name, side, said):
    with pytest.raises(StudyError, match=said):
        WholeFilmArchitecture(name, side, 0.0)
