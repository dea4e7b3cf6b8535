"""The ResNet-50 of kd_tf/networks/resnet.py for PyTorch, with an identity head."""

import torch
from torch import nn

BLOCKS, STAGE_WIDTHS, EXPANSION = (3, 4, 6, 3), (64, 128, 256, 512), 4


class FaceNetwork(nn.Module):
    """From images `[batch, 3, height, width]`, 0 to 255, to float32 logits `[batch, identities]`."""

    def __init__(self, width_divisor: int, identities: int):
        super().__init__()
        width = STAGE_WIDTHS[0] // width_divisor
        layers = [nn.BatchNorm2d(3, affine=False), *_conv_norm(3, width, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        for stage, (blocks, stage_width) in enumerate(zip(BLOCKS, STAGE_WIDTHS, strict=True)):
            for block in range(blocks):
                layers.append(_Bottleneck(width, stage_width // width_divisor, stride=2 if stage and not block else 1))
                width = stage_width // width_divisor * EXPANSION
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, identities)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The head computes in float32, as in the other frameworks."""
        hidden = self.trunk(images)
        with torch.autocast("cpu", enabled=False):
            return self.head(hidden.float())


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        outputs = width * EXPANSION
        self.residual = nn.Sequential(
            *_conv_norm(inputs, width, 1, stride),
            nn.ReLU(inplace=True),
            *_conv_norm(width, width, 3, 1),
            nn.ReLU(inplace=True),
            *_conv_norm(width, outputs, 1, 1, gamma=0.0),
        )
        has_same_shape = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if has_same_shape else nn.Sequential(*_conv_norm(inputs, outputs, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.residual(x) + self.shortcut(x))


def _conv_norm(inputs: int, outputs: int, size: int, stride: int, gamma: float = 1.0) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    norm = nn.BatchNorm2d(outputs)
    nn.init.constant_(norm.weight, gamma)
    return [conv, norm]
