"""torchvision's two mobile models, trained by its reference recipes on a config's data; for ``peers.py``."""

import math
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.models import detection as tv_detection
from torchvision.models import segmentation as tv_segmentation
from torchvision.transforms import v2

from densevision.atomic import replacing
from densevision.errors import UserError
from densevision.evaluation import build_dataset
from densevision.structures import Detections

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Boxes(Dataset):
    """Images with boxes at their own size, augmented as torchvision's preset "ssdlite" does."""

    def __init__(self, data):
        self.data = data
        steps = [v2.RandomIoUCrop(), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
        self.augment = v2.Compose([*steps, v2.SanitizeBoundingBoxes()])

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        sample = self.data.read_sample(index)
        image = tv_tensors.Image(torch.from_numpy(sample["image"].copy()).permute(2, 0, 1))
        boxes = tv_tensors.BoundingBoxes(sample["boxes"], format="XYXY", canvas_size=image.shape[-2:])
        target = dict(boxes=boxes, labels=torch.from_numpy(sample["labels"].copy()) + 1)  # 0 is the background
        return self.augment(image, target) if len(boxes) else (image.float() / 255, target)


class Masks(Dataset):
    """Images with label maps, augmented as torchvision's segmentation preset does."""

    def __init__(self, data):
        self.data = data
        self.side = min(data.read(0).shape[:2])
        self.crop = round(self.side * 480 / 520)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        image = tv_tensors.Image(torch.from_numpy(self.data.read(index).copy()).permute(2, 0, 1))
        mask = tv_tensors.Mask(torch.from_numpy(self.data.read_labels(index).copy())[None])
        side = int(torch.randint(self.side // 2, 2 * self.side + 1, ()))
        fill = {tv_tensors.Image: 0, tv_tensors.Mask: 255}
        augment = v2.Compose(
            [
                v2.Resize(side, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomCrop(self.crop, pad_if_needed=True, fill=fill),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )
        image, mask = augment(image, mask)
        return image, mask[0].long()


def torchvision_detector(classes):
    return tv_detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=len(classes) + 1)


def torchvision_segmentor(classes):
    return tv_segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=len(classes))


def detection_loss(model, batch):
    images, targets = zip(*batch, strict=True)
    return sum(model(list(images), list(targets)).values())


def segmentation_loss(model, batch):
    images, masks = (torch.stack(part) for part in zip(*batch, strict=True))
    return nn.functional.cross_entropy(model(images)["out"], masks, ignore_index=255)


def detection_schedule(optimizer, epochs, length):
    """Return the factor of the rate by iteration: warm-up in the first epoch, then a cosine by epoch."""
    warmup = min(1000, length - 1)

    def factor(step):
        start = 1e-3 + (1 - 1e-3) * step / warmup if step < warmup else 1
        return start * (1 + math.cos(math.pi * (step // length) / epochs)) / 2

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def segmentation_schedule(optimizer, epochs, length):
    return torch.optim.lr_scheduler.PolynomialLR(optimizer, epochs * length, power=0.9)


RECIPES = {  # task -> name, model, data, loss, learning rate per image, weight decay, schedule
    "detection": (
        *("ssdlite320_mobilenet_v3_large", torchvision_detector, Boxes, detection_loss),
        *(0.15 / 192, 4e-5, detection_schedule),
    ),
    "segmentation": (
        *("lraspp_mobilenet_v3_large", torchvision_segmentor, Masks, segmentation_loss),
        *(0.01 / 32, 1e-6, segmentation_schedule),
    ),
}


class Peer:
    """A predictor around a function from [H, W, 3] uint8 to a result, for ``evaluate_predictor``."""

    def __init__(self, classes, predict):
        self.classes, self.predict = classes, predict

    def __call__(self, image):
        return self.predict(image)


class State:
    """What a stopped training goes on from, written after each epoch; workers draw their augmentation anew."""

    def __init__(self, path, parts):
        self.path, self.parts = path, parts

    def load(self):
        """Return the epochs that are done."""
        if not self.path.exists():
            return 0
        saved = torch.load(self.path, map_location="cpu")
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        torch.set_rng_state(saved["random"])
        return saved["epochs"]

    def save(self, epochs):
        saved = {name: part.state_dict() for name, part in self.parts.items()}
        with replacing(self.path) as partial:
            torch.save(saved | dict(random=torch.get_rng_state(), epochs=epochs), partial)


def train_torchvision(config, task, epochs, seed, out):
    """Train torchvision's model; return its predictor. A training that was stopped goes on after its last epoch."""
    _, build, augmented, loss_of, rate, decay, schedule = RECIPES[task]
    torch.manual_seed(seed)
    data = build_dataset(config, "train_dataloader")
    classes = tuple(data.metainfo["classes"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build(classes).to(device, memory_format=torch.channels_last).train()  # faster on a CPU
    batch = config.train_dataloader.batch_size
    workers = max(0, len(os.sched_getaffinity(0)) // 2)
    loader = DataLoader(
        augmented(data), batch, shuffle=True, drop_last=True, num_workers=workers, collate_fn=list,
        persistent_workers=workers > 0,
    )  # fmt: skip
    if not len(loader):
        raise UserError(f"{len(data)} training images are fewer than a batch of {batch}")
    optimizer = torch.optim.SGD(model.parameters(), rate * batch, momentum=0.9, weight_decay=decay)
    steps = schedule(optimizer, epochs, len(loader))
    state = State(out / "state.pth", dict(model=model, optimizer=optimizer, schedule=steps))
    for epoch in range(state.load(), epochs):
        for images in loader:
            loss = loss_of(model, move(images, device))
            if not torch.isfinite(loss):
                raise UserError(f"torchvision, seed {seed}: the loss is not finite in epoch {epoch + 1}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps.step()
        print(f"  epoch {epoch + 1}/{epochs}: loss {loss.item():.3f}", flush=True)
        state.save(epoch + 1)
    model.eval()
    return Peer(classes, predict_boxes(model, device) if task == "detection" else predict_labels(model, device))


def move(batch, device):
    def there(value):
        return {key: item.to(device) for key, item in value.items()} if isinstance(value, dict) else value.to(device)

    return [tuple(there(value) for value in one) for one in batch]


def predict_boxes(model, device):
    @torch.no_grad()
    def predict(image):
        found = model([torch.from_numpy(image.copy()).permute(2, 0, 1).float().to(device) / 255])[0]
        boxes, scores, labels = (found[key].cpu().numpy() for key in ("boxes", "scores", "labels"))
        return Detections(boxes, scores, labels - 1)

    return predict


def predict_labels(model, device):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    @torch.no_grad()
    def predict(image):
        pixels = (torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255 - mean) / std
        return model(pixels[None].to(device))["out"][0].argmax(0).cpu().numpy().astype(np.uint8)

    return predict
