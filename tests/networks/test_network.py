"""The network against the paper's text and formulas."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scripts.common.errors import StudyError
from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.kinds.hybrid import EncoderLayer, HybridNetwork, LocalHeads, cut_blocks
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.training_store import weights_bytes
from scripts.networks.trunks.resnet18 import ResNet18


def hybrid(settings):
    return HybridNetwork(HybridArchitecture(**settings["architecture"]))


PAPER = dict(
    grid=6, block_size=256, trunk_width=64, layers=6, heads=8, mlp_ratio=4, dropout=0.1, head_hidden=256
)


def saved(weights) -> bytes:
    import io

    buffer = io.BytesIO()
    torch.save(weights, buffer)
    return buffer.getvalue()


def test_parameter_count_at_the_papers_setting():
    with torch.device("meta"):
        assert sum(p.numel() for p in HybridNetwork(HybridArchitecture(**PAPER)).parameters()) == 34_972_645


def test_floating_point_operations_at_the_papers_setting():
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        network, film = HybridNetwork(HybridArchitecture(**PAPER)), torch.empty(1, 1, 1536, 1536)
    with FlopCounterMode(display=False) as counted:
        global_logits, local_logits = network(film)
        forward = counted.get_total_flops()
        (global_logits.sum() + local_logits.sum()).backward()
    assert forward == pytest.approx(164.6e9, rel=1e-3)
    assert counted.get_total_flops() == pytest.approx(490.0e9, rel=1e-3)
    trunk = sum(
        n for operation, n in counted.get_flop_counts()["Global"].items() if "convolution" in str(operation)
    )
    assert trunk / counted.get_total_flops() > 0.98


def test_shapes(settings):
    network = hybrid(settings).eval()
    films = torch.randn(2, 1, 96, 96)
    assert network.last_maps(films).shape == (18, 64, 1, 1)
    global_logits, local_logits = network(films)
    assert global_logits.shape == (2,)
    assert local_logits.shape == (2, 9)
    assert ResNet18(8)(torch.randn(2, 1, 256, 256)).shape == (2, 64, 8, 8)


def test_blocks_are_cut_row_by_row():
    film = torch.arange(36.0).view(1, 1, 6, 6)
    blocks = cut_blocks(torch.cat([film, film + 100]), 3)
    assert blocks.shape == (18, 1, 2, 2)
    assert blocks[1, 0].tolist() == [[2, 3], [8, 9]]
    assert blocks[3, 0].tolist() == [[12, 13], [18, 19]]
    assert blocks[9, 0].tolist() == [[100, 101], [106, 107]]


def test_encoder_layer_is_the_papers_post_norm():
    torch.manual_seed(1)
    layer = EncoderLayer(32, 4, 4, 0.1).eval()
    attention = nn.MultiheadAttention(32, 4, batch_first=True).eval()
    attention.load_state_dict(
        {
            "in_proj_weight": layer.qkv.weight,
            "in_proj_bias": layer.qkv.bias,
            "out_proj.weight": layer.out.weight,
            "out_proj.bias": layer.out.bias,
        }
    )
    x = torch.randn(3, 10, 32)
    # E' = LayerNorm(MHSA(E) + E); E_next = LayerNorm(MLP(E') + E')
    inner = F.layer_norm(attention(x, x, x)[0] + x, (32,), layer.norm1.weight, layer.norm1.bias)
    mlp = F.linear(
        F.gelu(F.linear(inner, layer.mlp[0].weight, layer.mlp[0].bias)),
        layer.mlp[3].weight,
        layer.mlp[3].bias,
    )
    expected = F.layer_norm(mlp + inner, (32,), layer.norm2.weight, layer.norm2.bias)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    pre_norm = x + attention(*[F.layer_norm(x, (32,))] * 3)[0]
    assert not torch.allclose(layer(x), pre_norm, atol=0.1)


def test_local_heads_are_independent_mlps():
    heads = LocalHeads(4, 8, 5)
    x = torch.randn(3, 4, 8)
    got = heads(x)
    for b in range(4):
        hidden = F.relu(x[:, b] @ heads.weight1[b] + heads.bias1[b])
        torch.testing.assert_close(got[:, b], (hidden @ heads.weight2[b] + heads.bias2[b])[:, 0])


def test_trunk_takes_resnet18_and_a_grey_image_fed_three_times_gives_the_same():
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(2)
    resnet = torchvision.models.resnet18(weights=None).eval()
    trunk = ResNet18().eval()
    trunk.load_initial(saved(resnet.state_dict()))
    grey = torch.randn(2, 1, 64, 64)
    x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(grey.expand(-1, 3, -1, -1)))))
    expected = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(x))))
    torch.testing.assert_close(trunk(grey), expected, atol=1e-4, rtol=1e-4)


def test_initial_weights_fill_the_trunk_alone(settings):
    architecture = settings["architecture"]
    source, target = (
        HybridNetwork(HybridArchitecture(**architecture)),
        HybridNetwork(HybridArchitecture(**architecture)),
    )
    target.load_initial(saved(source.trunk.state_dict()))
    assert torch.equal(target.trunk.conv1.weight, source.trunk.conv1.weight)
    assert not torch.equal(target.token, source.token)


def test_a_network_that_a_fold_trained_is_refused(settings):
    """All folds would start from it, and its training patients would be scored by what had seen them."""
    network = hybrid(settings)
    before = copy.deepcopy(network.state_dict())
    for fold in (0, 3):
        with pytest.raises(
            StudyError,
            match=r"holds a trained network.*no longer be scored out of fold.*'imagenet', 'random'",
        ):
            network.load_initial(weights_bytes(hybrid(settings), "fp32", fold))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_weights_that_are_no_numbers_are_refused(settings):
    network = hybrid(settings)
    weights = network.trunk.state_dict()
    weights["conv1.weight"] = torch.full_like(weights["conv1.weight"], torch.nan)
    with pytest.raises(StudyError, match="no finite numbers"):
        network.load_initial(saved(weights))


@pytest.mark.parametrize("content", [b"no weights at all", saved([1, 2]), saved({"model": {"x": 3}})])
def test_a_file_that_holds_no_weights_is_refused(settings, content):
    with pytest.raises(StudyError, match=r"weights file .*Give 'imagenet', 'random'"):
        hybrid(settings).load_initial(content)


def test_weights_of_another_architecture_are_refused_with_a_sentence(settings):
    network = hybrid(settings)
    wider = ResNet18(16).state_dict()
    with pytest.raises(
        StudyError, match=r"another architecture: 'conv1.weight' is \(16, 1, 7, 7\) there and \(8, 1, 7, 7\)"
    ):
        network.load_initial(saved(wider))
    lacking = {k: v for k, v in ResNet18(8).state_dict().items() if k != "layer4.1.conv2.weight"}
    with pytest.raises(StudyError, match="lacks 'layer4.1.conv2.weight'"):
        network.load_initial(saved(lacking))
    with pytest.raises(StudyError, match="has no place"):
        network.load_initial(saved({**ResNet18(8).state_dict(), "layer5.weight": torch.zeros(1)}))


def test_exact_arithmetic_pins_the_threads():
    exact_arithmetic(1)
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
