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


def _stage_of_child(graph: fx.GraphModule) -> tuple[str, dict[str, int]]:
    """Where the children stand that make the stages, and the stage of each.

    They are the first level of the backbone that has several. A child without children of its own, as a
    first convolution and its norm, joins those before it.
    """
    place, module = "", graph
    while len(children := dict(module.named_children())) == 1:
        (name, module), *_ = children.items()
        place = f"{place}{name}."
    stages: dict[str, int] = {}
    for name, child in children.items():
        composed = next(child.children(), None) is not None
        stages[name] = max(stages.values(), default=0) + (composed and len(stages) > 0)
    return place, stages


def stages_of(graph: fx.GraphModule) -> list[fx.GraphModule]:
    """A trunk in parts that follow each other, with its own modules.

    A part ends where the modules of the next one begin, as soon as one value alone goes on; stages between
    which more goes on are one part.
    """
    place, stage_of_child = _stage_of_child(graph)
    *nodes, output = graph.graph.nodes
    position = {node: n for n, node in enumerate(nodes)}
    last_use = {
        node: max((position.get(user, len(nodes)) for user in node.users), default=0) for node in nodes
    }
    stage = [
        stage_of_child[node.target.removeprefix(place).split(".")[0]] if node.op == "call_module" else None
        for node in nodes
    ]
    cuts = [0]
    for number in range(1, max(stage_of_child.values()) + 1):
        begins = next(n for n, of in enumerate(stage) if of is not None and of >= number)
        ended = max(n for n in range(begins) if stage[n] is not None)
        alone = (n for n in range(ended, begins) if sum(last_use[x] > n for x in nodes[: n + 1]) == 1)
        cuts += [n for n in [next(alone, cuts[-1])] if n > cuts[-1]]
    parts = []
    for start, end in zip(cuts, [*cuts[1:], position[output.args[0]]]):
        part, copies = fx.Graph(), {}
        copies[nodes[start]] = part.placeholder("x")
        for node in nodes[start + 1 : end + 1]:
            copies[node] = part.node_copy(node, copies.__getitem__)
        part.output(copies[nodes[end]])
        parts.append(fx.GraphModule(graph, part))
    return parts


class TorchvisionBackbone(Trunk):
    """Its stages are the parts that torchvision composes it of, as far as one map alone goes from each to the
    next.

    Parameters
    ----------
    name : torchvision's
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        backbone = torchvision.models.get_model(name, weights=None)
        graph = trunk_of(backbone)
        self.stages = nn.ModuleList(stages_of(graph))
        classifier = backbone.state_dict().keys() - graph.state_dict().keys()
        kept = {entry.split(".")[0] for entry in graph.state_dict()}
        self._heads = {entry.split(".")[0] for entry in classifier} - kept
        self.width = self._run(256)[0].shape[1]

    def _run(self, side: int) -> tuple[Tensor, int]:
        """The last maps of a film, without values, and the number of values in the largest of all maps."""
        x, largest = torch.empty(1, 1, side, side, device="meta"), 0
        for stage in copy.deepcopy(self.stages).to("meta").eval():
            graph = _LargestMap(stage)
            x = graph.run(x)
            largest = max(largest, graph.largest)
        return x, largest

    def load_initial(self, content: bytes) -> None:
        """By torchvision's names, with or without what stands before them in collections of chest films."""
        names = {name: name.split(".", 2)[2] for name in self.state_dict()}
        layouts = [names]
        if all(name.startswith(FEATURES) for name in names.values()):
            layouts.append({own: name.removeprefix(FEATURES) for own, name in names.items()})
        fill(self, content, layouts, self._heads)

    def fold_norms(self) -> None:
        """Norms in front of a convolution, as half of a DenseNet's are, stay."""
        for graph in self.stages:
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
