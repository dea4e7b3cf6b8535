"""The same step in PyTorch: `live` and `cached`, in either memory layout."""

import contextlib

import torch
import torch.nn.functional as F
from torch_resnet import FaceNetwork
from worker import LEARNING_RATE, MOMENTUM, TEACHER_WIDTH, TEMPERATURE, make_batch, parse_arguments, serve

ARGUMENTS = parse_arguments()
TEACHER, LAYOUT = ARGUMENTS.contestant.split(":")
MEMORY_FORMAT = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[LAYOUT]


def precision():
    """Where the trunk computes in the precision that is asked for."""
    in_bfloat16 = ARGUMENTS.precision == "mixed_bfloat16"
    return torch.autocast("cpu", dtype=torch.bfloat16) if in_bfloat16 else contextlib.nullcontext()


def live_teacher(teacher: FaceNetwork, images: torch.Tensor):
    """A function that gives the logits of a network in inference mode."""
    teacher.eval()

    def logits() -> torch.Tensor:
        with torch.no_grad(), precision():
            return teacher(images)

    return logits


def cached_teacher(hidden: torch.Tensor, identities: int):
    """A function that gives the logits of a head over K as it lies in the batch."""
    kernel, bias = 0.01 * torch.randn(TEACHER_WIDTH, identities), torch.zeros(identities)
    return lambda: torch.addmm(bias, hidden.float(), kernel)


def trainer(student: FaceNetwork, teacher_logits, images: torch.Tensor, identities: torch.Tensor):
    """A function that trains for a number of steps, and gives what a progress bar would show."""
    student.train()
    optimizer = torch.optim.SGD(student.parameters(), LEARNING_RATE, momentum=MOMENTUM, nesterov=True)

    def step() -> tuple[float, int]:
        soft_targets = F.softmax(teacher_logits() / TEMPERATURE, dim=-1)
        optimizer.zero_grad()
        with precision():
            logits = student(images)
        loss = F.cross_entropy(logits, identities) + F.cross_entropy(logits / TEMPERATURE, soft_targets)
        loss.backward()
        optimizer.step()
        return loss.item(), int((logits.argmax(dim=-1) == identities).sum())

    return lambda steps: [step() for _ in range(steps)]


def parameters(network: torch.nn.Module) -> int:
    """What is trained, with the identity head."""
    return sum(parameter.numel() for parameter in network.parameters())


def main() -> None:
    """Makes the networks that the contestant needs, and serves."""
    torch.set_num_threads(ARGUMENTS.threads)
    images, identities, hidden = (torch.from_numpy(array) for array in make_batch(ARGUMENTS.batch_size, ARGUMENTS.identities))
    images = images.permute(0, 3, 1, 2).contiguous(memory_format=MEMORY_FORMAT)
    networks = {"student": FaceNetwork(ARGUMENTS.width_divisor, ARGUMENTS.identities).to(memory_format=MEMORY_FORMAT)}
    if TEACHER == "live":
        networks["teacher"] = FaceNetwork(1, ARGUMENTS.identities).to(memory_format=MEMORY_FORMAT)
        teacher_logits = live_teacher(networks["teacher"], images)
    else:
        teacher_logits = cached_teacher(hidden, ARGUMENTS.identities)
    counts = {name: parameters(network) for name, network in networks.items()}
    run = trainer(networks["student"], teacher_logits, images, identities.long())
    serve(run, {"framework": f"PyTorch {torch.__version__}", "parameters": counts})


if __name__ == "__main__":
    main()
