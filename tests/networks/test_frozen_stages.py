"""Stages of the trunk that don't train, at all or for now: what stays, and what moves."""

import copy
import dataclasses
import io

import pytest
import torch
import torchvision
from torch.nn.modules.batchnorm import _BatchNorm

from scripts.common.errors import StudyError
from scripts.networks.films import FilmStack, split_fold
from scripts.networks.kinds.registry import architecture_class, new_network
from scripts.networks.loop import FoldTraining, new_optimizer, train
from scripts.networks.member import Member
from scripts.networks.settings import settings_of
from scripts.networks.trunks.torchvision_backbone import stages_of, trunk_of

SIDE = 64
HYBRID = {
    "grid": 2, "block_size": 32, "trunk_width": 8, "layers": 1, "heads": 4, "mlp_ratio": 2, "dropout": 0.1,
    "head_hidden": 8, "feature_norm": True,
}  # fmt: skip
NETWORKS = {
    "blocks": ("hybrid", HYBRID),
    "film": ("hybrid", HYBRID | {"trunk_sees": "film", "block_size": 40}),
    "lite": ("hybrid", HYBRID | {"trunk": "efficientnet_lite0", "trunk_sees": "film", "width": 16}),
    "lite whole": ("whole_film", {"backbone": "efficientnet_lite0", "side": SIDE, "dropout": 0.1}),
    "densenet121": ("whole_film", {"backbone": "densenet121", "side": SIDE, "dropout": 0.0}),
}


def built(name):
    kind, architecture = NETWORKS[name]
    torch.manual_seed(3)
    return new_network(kind, architecture_class(kind)(**architecture))


@pytest.mark.parametrize("name", NETWORKS)
def test_frozen_and_then_from_frozen_is_the_forward_pass(name):
    network = built(name)
    films = torch.randn(2, 1, network.side, network.side)
    with torch.no_grad():
        expected = network.eval()(films)
    stages = len(network.trunk.stages)
    assert stages >= 5
    for trained in (0, 1, stages - 1, stages):
        network.freeze(trained, fixed_norms=False)
        with torch.no_grad():
            x = network.eval().frozen(films)
            got = network.from_frozen(x)
        assert len(x) == 2 and not x.requires_grad
        for mine, whole in zip(got, expected, strict=True):
            torch.testing.assert_close(mine, whole, atol=1e-5, rtol=1e-5)
        assert all(torch.equal(a, b) for a, b in zip(network(films), network.from_frozen(x)))
        # one film alone gives what it gives among others
        with torch.no_grad():
            torch.testing.assert_close(network.frozen(films[1:]), x[1:], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["blocks", "lite", "densenet121"])
@pytest.mark.parametrize("trained", [0, 2, "all"])
def test_gradients_reach_the_trained_stages_alone_and_frozen_norms_keep_still(name, trained):
    network = built(name)
    network.freeze(trained, fixed_norms=False)
    network.train()
    before = copy.deepcopy(network.trunk.state_dict())
    outputs = network(torch.randn(3, 1, network.side, network.side))
    sum(network.loss_terms(outputs, torch.tensor([0.0, 1.0, 1.0]))).backward()
    stages = network.trunk.stages
    first = 0 if trained == "all" else len(stages) - trained
    for number, stage in enumerate(stages):
        assert all((p.grad is not None) == (number >= first) for p in stage.parameters()), number
        assert all(norm.training == (number >= first) for norm in norms_of(stage))
    moved = [n for n, value in network.trunk.state_dict().items() if not torch.equal(value, before[n])]
    assert bool(moved) == (trained != 0) and all(".running_" in n or "num_batches" in n for n in moved)
    heads = [p for n, p in network.named_parameters() if not n.startswith("trunk.")]
    assert heads and all(p.grad is not None for p in heads)


def norms_of(module):
    return [one for one in module.modules() if isinstance(one, _BatchNorm)]


@pytest.mark.parametrize("name", NETWORKS)
def test_fixed_norms_stay_while_their_weights_train(name):
    network = built(name)
    network.freeze("all", fixed_norms=True)
    network.train()
    outputs = network(torch.randn(2, 1, network.side, network.side))
    outputs[0].sum().backward()
    norms = norms_of(network.trunk)
    assert norms and not any(norm.training for norm in norms)
    assert all(norm.weight.grad is not None for norm in norms)
    network.measure_norms(iter([]))  # it has none to measure


def test_stages_that_rest_are_as_if_they_were_frozen():
    network = built("blocks")
    network.freeze(3, fixed_norms=False)
    network.rest(True)
    network.train()
    network(torch.randn(2, 1, SIDE, SIDE))[0].sum().backward()
    assert all(p.grad is None for p in network.trunk.parameters())
    assert not any(norm.training for norm in norms_of(network.trunk))
    network.rest(False)
    network.train()
    network(torch.randn(2, 1, SIDE, SIDE))[0].sum().backward()
    assert sum(p.grad is not None for p in network.trunk.parameters()) == len(network.trunk_parameters()) > 0


@pytest.mark.parametrize(("backbone", "stages"), [("resnet34", 5), ("efficientnet_b0", 9), ("vgg11", 1)])
def test_torchvisions_backbones_have_the_stages_that_they_are_composed_of(backbone, stages):
    with torch.device("meta"):
        whole = trunk_of(torchvision.models.get_model(backbone, weights=None))
        parts = stages_of(whole)
    assert len(parts) == stages
    assert sum(len(list(part.parameters())) for part in parts) == len(list(whole.parameters()))


def test_more_stages_than_there_are_is_refused():
    with pytest.raises(StudyError, match="6 stages can't train, since resnet18 has 5 that are known"):
        built("blocks").freeze(6, fixed_norms=False)


# ------------------------------------------------------------------------------------------- training


def a_run(cache, settings, initial=None, attempt=1):
    films = FilmStack(cache, 96)
    training, held_out = split_fold(films.films, 0)
    member = Member("net", 0, attempt=attempt)
    run = FoldTraining(member, len(training), settings_of(settings, "hybrid"), initial, torch.device("cpu"))
    return run, train(run, films, training, held_out)


def test_the_trunk_has_its_share_of_the_rate_and_the_optimiser_is_the_one_asked_for(cache, settings):
    settings["training"] |= {"optimizer": "adamw", "trunk_rate": 0.1, "learning_rate": 1e-3}
    run, steps = a_run(cache, settings)
    assert isinstance(run.optimizer, torch.optim.AdamW)
    for _ in steps:
        heads, trunk = run.optimizer.param_groups
        assert trunk["lr"] == pytest.approx(0.1 * heads["lr"]) and trunk["weight_decay"] == 1e-4
    of_trunk = {id(p) for p in run.network.trunk.parameters()}
    assert {id(p) for p in trunk["params"]} == of_trunk
    assert not of_trunk & {id(p) for p in heads["params"]}
    everything = len(trunk["params"]) + len(heads["params"])
    assert everything == len(list(run.network.parameters()))


def test_adamw_takes_the_decay_from_the_weights_themselves(settings):
    settings["training"] |= {"optimizer": "adamw", "learning_rate": 0.1, "weight_decay": 0.5}
    options = settings_of(settings, "hybrid").training
    network = built("blocks")
    optimizer = new_optimizer(network, options)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in network.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (1 - 0.1 * 0.5))


def test_before_they_thaw_the_stages_stay_as_they_start(cache, settings):
    settings["training"] |= {"thaw_epoch": 1, "trained_stages": 2}
    run, steps = a_run(cache, settings)
    start = copy.deepcopy(run.network.trunk.state_dict())

    def moved():
        return {n for n, value in run.network.trunk.state_dict().items() if not torch.equal(value, start[n])}

    for _ in steps:
        if run.step <= run.per_epoch:
            assert moved() == set()
    stages = {n.split(".")[0] for n in moved()}
    assert stages == {"layer3", "layer4"}
    assert not torch.equal(run.settled.trunk.layer4[1].bn2.running_mean, start["layer4.1.bn2.running_mean"])


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "thaw_epoch": 1, "trained_stages": 2},
        {"optimizer": "adamw", "trained_stages": 0},
        {"thaw_epoch": 1, "trunk_norms": "fixed", "trunk_rate": 0.1},
    ],
)
@pytest.mark.parametrize("broken_at", [2, 4, 5])
def test_a_broken_training_ends_with_the_same_weights(cache, settings, options, broken_at):
    """Before, at and after the thawing, with the optimiser's state on both sides of it."""
    settings["training"] |= options | {"learning_rate": 1e-3}
    whole, steps = a_run(cache, settings)
    for _ in steps:
        pass
    broken, steps = a_run(cache, settings)
    for _ in steps:
        if broken.step == broken_at:
            break
    steps.close()
    buffer = io.BytesIO()
    torch.save(broken.state(), buffer)
    resumed, steps = a_run(cache, settings)
    resumed.load(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    for _ in steps:
        pass
    for name, value in whole.settled.state_dict().items():
        assert torch.equal(value, resumed.settled.state_dict()[name]), name
    assert whole.held_out == resumed.held_out and whole.spread == resumed.spread


def test_too_many_stages_name_the_key(cache, settings):
    settings["training"]["trained_stages"] = 9
    with pytest.raises(StudyError, match=r"models\.net\.training\.trained_stages: 9 stages can't train"):
        a_run(cache, settings)


def test_what_a_training_doesnt_use_is_in_no_key(settings):
    """A further setting at its default leaves the keys of finished trainings as they are."""
    read = settings_of(settings, "hybrid")
    assert read.plain()["training"] == dict(sorted(settings["training"].items()))
    other = dataclasses.replace(read, training=dataclasses.replace(read.training, thaw_epoch=1))
    assert other.plain()["training"] == read.plain()["training"] | {"thaw_epoch": 1}
