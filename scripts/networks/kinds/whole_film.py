"""A torchvision backbone over the whole film, at once and without blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scripts.networks.film_network import FilmNetwork
from scripts.networks.initial_weights import fill, for_one_channel

if TYPE_CHECKING:
    from scripts.networks.film_network import Architecture


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


def first_convolution(backbone: nn.Module) -> tuple[str, nn.Conv2d]:
    """The convolution that sees the film, with its name."""
    return next((name, m) for name, m in backbone.named_modules() if isinstance(m, nn.Conv2d))


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


class WholeFilmNetwork(FilmNetwork):
    """One logit for a z-scored film: the mean over the backbone's last maps, dropout, a linear layer.

    Parameters
    ----------
    architecture : ``backbone`` (a name of torchvision's), ``side`` and ``dropout``
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        backbone = torchvision.models.get_model(architecture.backbone, weights=None)
        self.trunk = trunk_of(backbone)
        self._classifier = backbone.state_dict().keys() - self.trunk.state_dict().keys()
        maps, self._largest = self._measured()
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Linear(maps.shape[1], 1)

    def _measured(self) -> tuple[Tensor, int]:
        """The last maps of a film, without values, and the number of values in the largest of all maps."""
        trunk = _LargestMap(copy.deepcopy(self.trunk).to("meta").eval())
        return trunk.run(torch.empty(1, 1, self.side, self.side, device="meta")), trunk.largest

    def forward(self, films: Tensor) -> tuple[Tensor, ...]:
        """Films ``(n, 1, side, side)`` to logits ``(n,)``."""
        return (self.head(self.dropout(self.trunk(films).mean((2, 3)))).squeeze(-1),)

    def loss_terms(self, outputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy of the logits; nothing is local."""
        loss = F.binary_cross_entropy_with_logits(outputs[0].float(), labels)
        return loss, torch.zeros_like(loss)

    @torch.no_grad()
    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """The BatchNorms alone are in training meanwhile: what is random in training stays still.

        A backbone without BatchNorm has nothing to measure.
        """
        norms = [module for module in self.trunk.modules() if isinstance(module, _BatchNorm)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        self.trunk.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for films in batches:
            self.trunk(films)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.trunk.train()

    def fold_norms(self) -> None:
        """Norms in front of a convolution, as half of a DenseNet's are, stay."""
        modules = dict(self.trunk.named_modules())
        for node in self.trunk.graph.nodes:
            if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
                continue
            before = node.args[0]
            follows = before.op == "call_module" and isinstance(modules[before.target], nn.Conv2d)
            if follows and len(before.users) == 1:
                fused = fuse_conv_bn_eval(modules[before.target], modules[node.target])
                self.trunk.set_submodule(before.target, fused)
                node.replace_all_uses_with(before)
                self.trunk.graph.erase_node(node)
        self.trunk.delete_all_unused_submodules()
        self.trunk.recompile()

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """The network as it is."""
        return lambda films: self(films)[0]

    def largest_map(self) -> int:
        """Found by running the backbone without values."""
        return self._largest

    def evidence(self, films: Tensor) -> Tensor:
        """``(n, h, w)`` from the backbone's last maps, of evaluation.

        Between the maps and the logit there are a mean and a linear layer, so the gradient of the logit is
        the same at every place of a map: Grad-CAM (Selvaraju et al. 2017), HiResCAM (Draelos and Carin 2020)
        and CAM (Zhou et al. 2016) are one, and its sum over the places is the logit without its bias.
        """
        maps = self.trunk(films).detach().float()
        weights = self.head.weight.detach().float().view(1, -1, 1, 1)
        return (maps * weights).sum(1) / maps[0, 0].numel()

    def load_initial(self, content: bytes) -> None:
        """The backbone, as torchvision saves it; its classifier is left out."""
        fill(self.trunk, f"{first_convolution(self.trunk)[0]}.weight", content, self._classifier)
