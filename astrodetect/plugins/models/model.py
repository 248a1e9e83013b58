"""The patch model: view, scorer, selection, patches, feature network, aggregation, classifier.

The general architecture of A. Nicolini, "An automated method for image classification by selecting
important regions" (2022), chapter 4, with every part to be chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from astrodetect.core.errors import AstrodetectError
from astrodetect.plugins.models import attention, choice
from astrodetect.plugins.models.aggregation import Aggregator, Bag, build_aggregator
from astrodetect.plugins.models.choice import Choice
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.plugins.models.features import FeatureNet
from astrodetect.plugins.models.geometry import Grid
from astrodetect.plugins.models.parts import by_pixels, in_parts
from astrodetect.plugins.models.perturbed import Noise
from astrodetect.plugins.models.scenes import Scene, TensorScene, as_scene
from astrodetect.plugins.models.scorers import Scorer
from astrodetect.plugins.models.views import View


@dataclass(frozen=True)
class Output:
    """What a model says of a batch.

    Attributes
    ----------
    logits : (B, n_classes) tensor
        Of the classes, or of each label.
    scores : (B, h, w) tensor
        Score map, ``-inf`` where nothing may be chosen.
    attention : (B, h, w) tensor
        Softmax of it.
    indices : (B, K) int64 tensor
        Chosen cells; `valid` (B, K) is False where there were fewer.
    centres_yx : (B, K, 2) tensor
        Their centres in pixels of the image.
    weights : (B, K) tensor
        How much each counted.
    evidence : (B, K, n_outputs) tensor
        What each patch says alone; without gradient.
    losses : dict of str to tensor
        What is to be added to the loss of the logits, each weighted already.
    """

    logits: Tensor
    scores: Tensor
    attention: Tensor
    indices: Tensor
    valid: Tensor
    centres_yx: Tensor
    weights: Tensor
    evidence: Tensor
    losses: dict[str, Tensor] = field(default_factory=dict)


def class_logits(joined: Tensor, config: ModelConfig) -> Tensor:
    """Give logits of all classes; one logit stands for the second of two."""
    if config.n_outputs == config.n_classes:
        return joined
    return torch.cat([torch.zeros_like(joined), joined], dim=1)


def without_regions(joined: Tensor, config: ModelConfig) -> Output:
    """Give the output of a network that chooses no regions, from its last layer."""
    n = len(joined)
    nothing = joined.new_zeros(n, 1, 1)
    return Output(
        logits=class_logits(joined, config),
        scores=nothing,
        attention=nothing + 1,
        indices=torch.zeros(n, 1, dtype=torch.int64, device=joined.device),
        valid=torch.ones(n, 1, dtype=torch.bool, device=joined.device),
        centres_yx=joined.new_zeros(n, 1, 2),
        weights=joined.new_ones(n, 1),
        evidence=joined.detach()[:, None],
    )


class PatchModel(nn.Module):
    """Looks coarsely, chooses patches, and decides from these.

    Parameters
    ----------
    config : ModelConfig
        Of any method but ``fcn-mil``.

    Attributes
    ----------
    progress : float
        Share of the training that is done; entropy, noise and the number of patches depend on it.
    seed : int
        Of the noise of `dps` and of sampling at inference.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.features = FeatureNet(config)
        self.aggregator: Aggregator = build_aggregator(config, self.features.size)
        self.view = View(config.scale, config.view)
        self.scorer = self._build_scorer() if config.method != "ips" else None
        self.progress = 0.0
        self.seed = 0
        self._step = 0

    def _build_scorer(self) -> Scorer:
        config = self.config
        kind = "max" if "max" in config.view else config.view[0]
        first = config.view.index(kind) * config.channels
        bright = tuple(range(first, first + config.channels))
        return Scorer(config, config.channels * len(config.view), bright)

    @property
    def grid(self) -> Grid:
        """Where the score cells are, in pixels: the same in y and x."""
        if self.scorer is None:
            return Grid(float(self.config.step), (self.config.step - 1) / 2)
        return self.scorer.grid.after(self.view.grid)

    @property
    def reach(self) -> tuple[int, int]:
        """Cells on either side in which a better one suppresses a cell."""
        cells = int(self.config.suppress // self.grid.stride)
        return cells, cells

    @property
    def k(self) -> int:
        """Number of patches now: in training, as far as it has got."""
        config = self.config
        early = self.training and self.progress < config.k_until
        return config.training_k if early else config.k

    def reseed(self, seed: int) -> None:
        """Make what is drawn at inference begin anew from a seed."""
        self.seed, self._step = seed, 0

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Give the parameters of the scorer and of the rest: their gradients are best clipped apart."""
        scorer = [] if self.scorer is None else [p for p in self.scorer.parameters() if p.requires_grad]
        own = {id(parameter) for parameter in scorer}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in own]
        return {"scorer": scorer, "patch": rest} if scorer else {"patch": rest}

    def forward(self, images: Tensor | Scene, k: int | None = None, ignore: Tensor | None = None) -> Output:
        """Decide about images.

        Parameters
        ----------
        images : (B, C, H, W) tensor or Scene
            Any size from that of a patch on; B, H and W may change from call to call.
        k : int, optional
            Number of patches instead of that of the configuration.
        ignore : (H, W) or (B, H, W) bool tensor, optional
            True where nothing may be chosen.

        Raises
        ------
        AstrodetectError
            Wrong number of planes, fewer cells than patches, patches larger than the image, or NaN.
        """
        scene = as_scene(images, self.config.channels)
        check_size(scene, self.config)
        scores, own = self.score(scene)
        choice.check_count(k or self.k, (scores.shape[1], scores.shape[2]))
        peaks = choice.only_peaks(choice.forbid(scores, ignore, self.grid), self.reach)
        repeats = self.config.draws if self._samples() and not self.training else 1
        outputs = [self._decide(scene, peaks, own, k or self.k) for _ in range(repeats)]
        return outputs[0] if repeats == 1 else _averaged(outputs, self.config)

    def _samples(self) -> bool:
        return self.config.method == "ats" and (self.training or self.config.inference == "sample")

    def score(self, images: Tensor | Scene) -> tuple[Tensor, Tensor | None]:
        """Give score maps (B, h, w) of images, and the scorer's own part, without the prior."""
        scene = as_scene(images, self.config.channels)
        if self.scorer is None:
            from astrodetect.plugins.models.iterative import score_patches

            return score_patches(self, scene), None
        lit = None
        if self.config.black == 0 and isinstance(scene, TensorScene):
            lit = scene.lit(self.view)
        scorer, view = self.scorer, self._scaled(scene.view(self.view))
        if lit is not None:
            scores, own = scorer(view, lit)
        else:
            scores, own = in_parts(scorer, view, scorer)
        return scores, own

    def _scaled(self, pixels: Tensor) -> Tensor:
        return (pixels - self.config.black) / (self.config.white - self.config.black)

    def _decide(self, scene: Scene, scores: Tensor, own: Tensor | None, k: int) -> Output:
        """Choose, cut, and decide."""
        flat = scores.flatten(1)
        chosen, mixed = self._choose(flat, k)
        centres = self.centres(chosen.indices, scores.shape[2])
        if mixed is None:
            patches = self.cut(scene, centres)
        else:
            patches = self._mixed_patches(scene, mixed, scores.shape[2])
        features = self.encode(patches.flatten(0, 1)).reshape(*patches.shape[:2], -1)
        size = torch.tensor(scene.shape[2:], device=centres.device)
        bag = Bag(
            features, chosen.valid, chosen.weights, chosen.attention, (centres + 0.5) / size, chosen.drawn
        )
        logits = class_logits(self.aggregator(bag), self.config)
        return Output(
            logits=logits,
            scores=scores,
            attention=torch.softmax(flat, dim=1).view_as(scores),
            indices=chosen.indices,
            valid=chosen.valid,
            centres_yx=centres,
            weights=chosen.weights,
            evidence=self.aggregator.evidence(features).detach(),
            losses=self._losses(flat, own, chosen, bag) if self.training else {},
        )

    def _choose(self, flat: Tensor, k: int) -> tuple[Choice, Tensor | None]:
        """Choose K of flat scores; in the reference form of `dps` give the mixture, too."""
        config = self.config
        if self._samples():
            picked = choice.draw(flat, k, config, self._generator(flat.device))
        elif config.method == "dps" and self.training:
            if config.mode == "reference":
                best = choice.take_best(flat.detach(), k, weighted=False)
                return best, choice.mixture(flat, k, self.noise())
            picked = choice.take_perturbed(flat, k, self.noise())
        else:
            picked = choice.take_best(flat, k, weighted=config.method == "ats")
        return picked, None

    def _generator(self, device: torch.device) -> torch.Generator | None:
        """Give torch's own generator in training, and a seeded one at inference."""
        if self.training:
            return None
        self._step += 1
        return torch.Generator(device).manual_seed(self.seed + self._step)

    def noise(self) -> Noise:
        """Give the noise of the next step of `dps`."""
        config = self.config
        sigma = config.sigma + (config.sigma_end - config.sigma) * min(1.0, self.progress)
        self._step += 1
        seed = int(torch.randint(2**31, ()).item()) if self.training else self.seed + self._step
        conditional = config.mode == "conditional"
        return Noise(config.n_samples, max(sigma, 1e-4), seed, config.shared_noise, antithetic=conditional)

    def centres(self, indices: Tensor, width: int) -> Tensor:
        """Give the centres (..., 2) in pixels of flat indices into maps of so many columns."""
        cells = torch.stack([indices // width, indices % width], dim=-1)
        return self.grid.origin + self.grid.stride * cells.float()

    def cut(self, scene: Scene, centres_yx: Tensor) -> Tensor:
        """Cut patches (B, K, C, h, w) about centres (B, K, 2), moved a little in training; scaled."""
        size = self.config.patch
        half = (torch.tensor(size, device=centres_yx.device) - 1) / 2
        corners = torch.floor(centres_yx - half + 0.5).long()
        if self.training and self.config.jitter:
            reach = self.config.jitter
            corners = corners + torch.randint(-reach, reach + 1, corners.shape, device=corners.device)
        fill = self.config.black if self.config.padding == "zero" else None
        return self._scaled(scene.cut(corners, size, fill))

    def _mixed_patches(self, scene: Scene, mixed: Tensor, width: int) -> Tensor:
        """Mix the pixels of all patches that some draw chose: the published form of `dps`."""
        used = (mixed.detach().sum(dim=(0, 1)) > 0).nonzero()[:, 0]
        centres = self.centres(used, width).expand(len(mixed), -1, -1)
        patches = self.cut(scene, centres)
        return torch.einsum("bku,buchw->bkchw", mixed[:, :, used], patches)

    def encode(self, patches: Tensor) -> Tensor:
        """Give features (N, D) of scaled patches (N, C, h, w)."""
        (features,) = in_parts(self.features, patches, lambda part: (self.features(by_pixels(part)),))
        return features

    def _losses(self, flat: Tensor, own: Tensor | None, chosen: Choice, bag: Bag) -> dict[str, Tensor]:
        """Give the weighted losses beside that of the logits."""
        config, losses = self.config, {}
        weight = config.entropy * max(0.0, 1 - self.progress)
        if own is not None and weight > 0:
            losses["entropy"] = weight * attention.negative_entropy(flat).mean()
        if own is not None and config.distill > 0:
            said = own.flatten(1).gather(1, chosen.indices)
            found = self.aggregator.interest(bag)
            each = functional.binary_cross_entropy_with_logits(said, found, reduction="none")
            losses["distill"] = config.distill * (each * chosen.valid).sum() / chosen.valid.sum().clamp_min(1)
        return losses


def check_size(scene: Scene, config: ModelConfig) -> None:
    """Refuse images smaller than a patch.

    Raises
    ------
    AstrodetectError
        Naming both sizes.
    """
    height, width = scene.shape[2:]
    if height < config.patch[0] or width < config.patch[1]:
        raise AstrodetectError(
            f"a patch of {config.patch[0]} x {config.patch[1]} pixels is larger than the image of "
            f"{height} x {width}"
        )


def _averaged(outputs: list[Output], config: ModelConfig) -> Output:
    """Average the probabilities of several draws."""
    stacked = torch.stack([output.logits for output in outputs]).float()
    if config.multilabel:
        logits = torch.logit(torch.sigmoid(stacked).mean(dim=0), eps=1e-6)
    else:
        logits = torch.logsumexp(torch.log_softmax(stacked, dim=-1), dim=0) - math.log(len(outputs))
    first = outputs[0]
    return Output(**{**first.__dict__, "logits": logits})
