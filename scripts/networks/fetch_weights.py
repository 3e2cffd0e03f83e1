"""Download torchvision's ImageNet weights of a backbone."""

from pathlib import Path

from scripts.common.log import rule_log
from scripts.common.weights_files import IMAGENET

with rule_log(snakemake.log[0], snakemake.rule) as log:
    from torchvision.models import get_model_weights

    from scripts.networks.weights_file import fetch_weights

    target = Path(snakemake.output[0])
    backbone = next(name for name, file in IMAGENET.items() if file == target.name)
    fetch_weights(get_model_weights(backbone).IMAGENET1K_V1.url, target, log)
