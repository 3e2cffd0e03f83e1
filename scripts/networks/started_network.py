"""A network as a training begins with it."""

from __future__ import annotations

from scripts.common.errors import StudyError
from scripts.networks.film_network import FilmNetwork
from scripts.networks.kinds.registry import new_network
from scripts.networks.member import Member
from scripts.networks.settings import Settings


def started_network(settings: Settings, initial: bytes | None, member: Member) -> FilmNetwork:
    """The network of ``settings``: what the weights file ``initial`` doesn't give is drawn from PyTorch's
    generator, and the stages that don't train are frozen.

    Raises ``StudyError`` that names the member's key.
    """
    network = new_network(settings.kind, settings.architecture)
    if initial is not None:
        try:
            network.load_initial(initial)
        except StudyError as error:
            raise StudyError(f"{member.key('init')}: {error}") from None
    options = settings.training
    try:
        network.freeze(options.trained_stages, options.trunk_norms == "fixed")
    except StudyError as error:
        raise StudyError(f"{member.key('training.trained_stages')}: {error}") from None
    return network
