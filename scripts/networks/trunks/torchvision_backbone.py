"""A backbone of torchvision's as a trunk: up to its last pooling, for one channel."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scripts.networks.initial_weights import fill, first_convolution, for_one_channel
from scripts.networks.trunks.trunk import Trunk

FEATURES = "features."
"""torchvision's DenseNets hold their convolutions under this name; some files leave it out."""


class _Tracer(fx.Tracer):
    """Keeps every module without children whole: it may do one thing in training and another in
    evaluation.
    """

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return super().is_leaf_module(module, name) or next(module.children(), None) is None


class _LargestMap(fx.Interpreter):
    """Runs a graph; ``largest`` is then the number of values in the largest tensor on the way."""

    largest = 0

    def run_node(self, node: fx.Node) -> Any:
        out = super().run_node(node)
        if isinstance(out, Tensor):
            self.largest = max(self.largest, out.numel())
        return out


def _pools(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a node takes the mean over the places of a map."""
    if node.op == "call_module":
        return isinstance(modules[node.target], nn.AdaptiveAvgPool2d)
    return node.target in (F.adaptive_avg_pool2d, "mean")


def trunk_of(backbone: nn.Module) -> fx.GraphModule:
    """A backbone up to its last pooling, for one channel: films ``(n, 1, side, side)`` to its last maps.

    The parameters keep torchvision's names. What lies behind the pooling, the classifier, is left out.
    """
    _, first = first_convolution(backbone)
    first.weight, first.in_channels = nn.Parameter(for_one_channel(first.weight.detach())), 1
    graph, modules = _Tracer().trace(backbone), dict(backbone.named_modules())
    pooling = [node for node in graph.nodes if _pools(node, modules)][-1]
    graph.output_node().args = (pooling.args[0],)
    trunk = fx.GraphModule(backbone, graph)
    trunk.graph.eliminate_dead_code()
    trunk.delete_all_unused_submodules()
    trunk.recompile()
    return trunk


class TorchvisionBackbone(Trunk):
    """One stage: all of it.

    Parameters
    ----------
    name : torchvision's
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        backbone = torchvision.models.get_model(name, weights=None)
        graph = trunk_of(backbone)
        self.stages = nn.ModuleList([graph])
        classifier = backbone.state_dict().keys() - graph.state_dict().keys()
        kept = {entry.split(".")[0] for entry in graph.state_dict()}
        self._heads = {entry.split(".")[0] for entry in classifier} - kept
        self.width = self._run(256)[0].shape[1]

    def _run(self, side: int) -> tuple[Tensor, int]:
        """The last maps of a film, without values, and the number of values in the largest of all maps."""
        graph = _LargestMap(copy.deepcopy(self.stages[0]).to("meta").eval())
        return graph.run(torch.empty(1, 1, side, side, device="meta")), graph.largest

    def load_initial(self, content: bytes) -> None:
        """By torchvision's names, with or without what stands before them in collections of chest films."""
        names = {name: name.removeprefix("stages.0.") for name in self.state_dict()}
        layouts = [names]
        if all(name.startswith(FEATURES) for name in names.values()):
            layouts.append({own: name.removeprefix(FEATURES) for own, name in names.items()})
        fill(self, content, layouts, self._heads)

    def fold_norms(self) -> None:
        """Norms in front of a convolution, as half of a DenseNet's are, stay."""
        (graph,) = self.stages
        modules = dict(graph.named_modules())
        for node in graph.graph.nodes:
            if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
                continue
            before = node.args[0]
            follows = before.op == "call_module" and isinstance(modules[before.target], nn.Conv2d)
            if follows and len(before.users) == 1:
                fused = fuse_conv_bn_eval(modules[before.target], modules[node.target])
                graph.set_submodule(before.target, fused)
                node.replace_all_uses_with(before)
                graph.graph.erase_node(node)
        graph.delete_all_unused_submodules()
        graph.recompile()

    def largest_map(self, side: int) -> int:
        """Found by running the backbone without values."""
        return self._run(side)[1]
