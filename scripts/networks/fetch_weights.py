"""Download torchvision's ImageNet weights of ResNet-18."""

from pathlib import Path

from scripts.common.log import rule_log

with rule_log(snakemake.log[0], snakemake.rule) as log:
    from torchvision.models import ResNet18_Weights

    from scripts.networks.weights_file import fetch_weights

    fetch_weights(ResNet18_Weights.IMAGENET1K_V1.url, Path(snakemake.output[0]), log)
