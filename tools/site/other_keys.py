"""What the page of config keys needs and no docstring holds: its order, and the keys of other libraries."""

# Place -> a text, and the classes and functions that read the keys there.
SECTIONS = [
    (
        "model",
        "One of the three models. `num_classes=None` takes the number of classes of the training data.",
        [
            "densevision.detection.model.SSDLite",
            "densevision.segmentation.model.Segmentor",
            "densevision.classification.model.ImageClassifier",
        ],
    ),
    (
        "model.backbone",
        "The same keys for both models. `name` is a key of `densevision.backbones.BACKBONES`: a shipped table, or "
        "[one that you register](backbones.md). The keys of `build_table` are those of a table; your own builder has "
        "its own.",
        ["densevision.backbones.backbone.build_backbone", "densevision.backbones.backbone.build_table"],
    ),
    (
        "model.head and model.extra, of SSDLite",
        "`dict(type=SSDLiteHead)` and `dict(type=ExtraLayers)`; the model fills in their arguments. "
        "[Your own head](extending.md) may have keys.",
        ["densevision.detection.head.SSDLiteHead", "densevision.detection.head.ExtraLayers"],
    ),
    (
        "model.head, of Segmentor",
        "`dict(type=LRASPPHead, ...)`. The model fills in `taps` and `num_classes`. `ESPNetDecoder`, `CCC2Decoder` and "
        "`ESPNetV2Decoder` of `densevision.segmentation.comparison` have no keys; each belongs to the backbone of its "
        "name, `espnet_v1`, `ccc2` or `espnet_v2`.",
        ["densevision.segmentation.head.LRASPPHead", "densevision.segmentation.head.RASPPHead"],
    ),
    (
        "model.loss",
        "`dict(type=FocalLoss, ...)`: the first two are for SSDLite, the others for Segmentor.",
        [
            "densevision.detection.loss.FocalLoss",
            "densevision.detection.loss.SoftmaxLoss",
            "densevision.detection.loss.QualityFocalLoss",
            "densevision.detection.loss.IoULoss",
            "densevision.detection.assigners.DynamicAssigner",
            "densevision.segmentation.loss.CrossEntropyLoss",
            "densevision.segmentation.loss.OHEMCrossEntropyLoss",
            "densevision.segmentation.loss.BoundaryCrossEntropyLoss",
            "densevision.segmentation.lovasz.LovaszSoftmaxLoss",
            "densevision.segmentation.rmi.RMILoss",
            "densevision.segmentation.sum_loss.SumLoss",
        ],
    ),
    (
        "model.auxiliary, of Segmentor",
        "`dict(type=AuxiliaryHead, ...)`, in training only. The model fills in `taps` and `num_classes`.",
        ["densevision.segmentation.auxiliary.AuxiliaryHead"],
    ),
    (
        "model.anchors, model.coder, model.postprocess",
        "Dicts without `type`, for SSDLite.",
        [
            "densevision.detection.anchors.anchor_shapes",
            "densevision.detection.box_coder.BoxCoder",
            "densevision.structures.PostProcess",
        ],
    ),
    (
        "teacher",
        "A file name, or a dict with the keys of `TeacherOptions`. See [recipes](recipes.md#distillation). The others "
        "are the losses of a detector and of a segmentation model.",
        [
            "densevision.config.teacher.TeacherOptions",
            "densevision.detection.distillation.AnchorDistillation",
            "densevision.segmentation.distillation.PixelDistillation",
        ],
    ),
    ("model.data_preprocessor", "`dict(type=Normalize, ...)`.", ["densevision.data.normalize.Normalize"]),
    (
        "Loaders",
        "`train_dataloader`, `val_dataloader` and `test_dataloader` take the arguments of PyTorch's `DataLoader`. "
        "A `test_dataloader` whose data set has no `type` states only what differs from `val_dataloader`.",
        [],
    ),
    (
        "Data sets",
        "The `dataset` of a loader: `dict(type=CocoDataset, ...)`.",
        [
            "densevision.detection.coco.CocoDataset",
            "densevision.classification.dataset.ImageFolder",
            "densevision.segmentation.cityscapes.CityscapesDataset",
            "densevision.segmentation.masks.MaskDataset",
            "densevision.segmentation.polygons.PolygonDataset",
        ],
    ),
    (
        "Cache of decoded images",
        "The `cache` of a data set, `dict(folder=..., gigabytes=...)`, see [at scale](scale.md#loading).",
        ["densevision.data.decoded.DecodedCache"],
    ),
    (
        "First part of a training",
        "The `early` of a segmentation data set, `dict(until=..., transforms=[...])`, see "
        "[recipes](recipes_segmentation.md#half-the-size-first).",
        ["densevision.segmentation.dataset.Early"],
    ),
    (
        "Transforms",
        "The `transforms` of a data set: a list of `dict(type=HorizontalFlip, p=0.5)`, with any class of "
        "albumentations 2.0.8 or one of these.",
        [
            "densevision.detection.transforms.SSDCrop",
            "densevision.detection.transforms.Expand",
            "densevision.classification.transforms.InceptionCrop",
            "densevision.segmentation.transforms.ClassUniformCrop",
            "densevision.segmentation.transforms.PasteClass",
            "densevision.segmentation.transforms.CutMix",
            "densevision.segmentation.transforms.ColorTransfer",
        ],
    ),
    (
        "Combined images",
        "The `mix` of a data set of boxes: a list of `dict(type=BoxMosaic, p=0.5)`, with any of these.",
        [f"densevision.detection.mixing.{name}" for name in ("BoxMosaic", "BoxMixUp", "BoxCopyPaste")],
    ),
    (
        "Metrics",
        "`val_evaluator` and `test_evaluator`: a dict, or a list of dicts.",
        [
            "densevision.detection.metric.CocoMetric",
            "densevision.segmentation.metric.IoUMetric",
            "densevision.classification.metric.TopKMetric",
        ],
    ),
    (
        "train_cfg",
        "The training loop. Its length is stated in iterations or in epochs, see [training](training.md).",
        ["densevision.training.loop.TrainLoop"],
    ),
    (
        "optim_wrapper",
        "The optimizer and what surrounds it. `--amp` sets `amp`.",
        [
            "densevision.training.optim.GuardedOptimWrapper",
            "densevision.training.optim.DecayWeightsOnly",
            "densevision.training.muon.MuonAdamW",
            "densevision.training.rmsprop.RMSpropTF",
        ],
    ),
    (
        "param_scheduler",
        "A list of schedules. Iterations are the only unit: `begin`, `end` and `T_max` count iterations, a schedule "
        "without `end` lasts until `train_cfg.max_iters`, and `by_epoch` is refused.",
        [],
    ),
    (
        "default_hooks, custom_hooks",
        "`default_hooks` is a dict with fixed names; None switches a hook off. `custom_hooks` is a list.",
        [
            "densevision.training.checkpoint_hook.CheckpointHook",
            "densevision.training.progress.ProgressHook",
            "densevision.training.curves.CurvesHook",
            "densevision.segmentation.balance.BalanceClasses",
        ],
    ),
    (
        "init_from",
        "A file name, or a dict with these keys. See [published weights](weights.md#fine-tuning).",
        ["densevision.config.init_from.InitFrom"],
    ),
]

# Class -> parameters that the code fills in, so that no config sets them.
FILLED_IN = {
    "*": {"self", "optimizer"},
    "TrainLoop": {"runner", "dataloader"},
    "build_table": {"spec"},
    "SSDLiteHead": {"in_channels", "num_anchors", "num_classes"},
    "ExtraLayers": {"in_channels", "width", "padding"},
    "DecayWeightsOnly": {"optim_wrapper_cfg"},
    "LRASPPHead": {"taps", "num_classes"},
    "AuxiliaryHead": {"taps", "num_classes"},
    "RASPPHead": {"taps", "num_classes"},
}

# Parameter -> description, where the docstring of its class has none, or only another library has one.
MEANINGS = {
    "p": "Probability of applying the transform, in 0..1.",
    "max_ratio": "Largest ratio of the canvas side to the image side, 1 or more.",
    "mean": "Per channel (RGB), subtracted from pixels in 0..255.",
    "std": "Per channel (RGB), divides after the subtraction.",
    "interval": "Iterations between two reports or rows.",
    "accumulative_counts": "Batches whose gradients are added up before the optimizer takes a step.",
    "clip_grad": '`dict(max_norm=10.0)` limits the norm of the gradient. `dict(type="value", clip_value=1.0)` limits '
    "each of its numbers.",
}

# Class -> another class whose docstring describes several of its keys.
DETAILS = {"CocoDataset": "densevision.detection.coco_reader.CocoReader"}

LOADER_KEYS = {
    "dataset": "The data set, see [Data sets](#data-sets).",
    "batch_size": "Images per batch and process.",
    "num_workers": 'Loader processes, at most the number of cores; without it, or with "auto", half of the cores of '
    "each training process, at most 8. Their number does not change the training.",
    "sampler": "`dict(type=SeededSampler)` in `train_dataloader`; `dict(type=DefaultSampler, shuffle=False)` in the "
    "others.",
    "batch_sampler": "In place of `sampler` and `batch_size`.",
    "collate_fn": "How samples become a batch; the default is `densevision.data.batches.collate`, a list per key.",
    "drop_last": "Leave out an incomplete last batch.",
    "persistent_workers": "Keep the loader processes between two evaluations.",
    "pin_memory": "Copy batches to page-locked memory, for a GPU.",
    "prefetch_factor": "Batches that each worker loads ahead, 1 or more.",
    "timeout": "Seconds to wait for a batch; 0 waits without limit.",
    "worker_init_fn": "Called in each worker when it starts.",
    "num_batch_per_epoch": "MMEngine's limit on the batches of an epoch; the training counts iterations instead.",
}

# Place -> title of a table -> key -> meaning.
OTHER_TABLES = {
    "optim_wrapper": {
        "Further keys": {
            "optimizer": "Any class of `torch.optim`: `dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=4e-5)`.",
            "constructor": "`DecayWeightsOnly`, or MMEngine's `DefaultOptimWrapperConstructor` with more settings.",
            "paramwise_cfg": "See `DecayWeightsOnly`.",
        },
        "optimizer": {
            "type": "`SGD`, `AdamW` or another class of `torch.optim`.",
            "lr": "Learning rate at the full value of the schedules. `total_batch` states the batch it was chosen for.",
            "momentum": "Of SGD.",
            "weight_decay": "L2 penalty of the weights that decay.",
            "betas": "Of AdamW.",
            "nesterov": "Of SGD.",
        },
    },
    "train_cfg": {
        "val_cfg and test_cfg": {"type": "MMEngine's `ValLoop` and `TestLoop`; None switches the evaluation off."},
    },
    "default_hooks, custom_hooks": {
        "The names of default_hooks": {
            "checkpoint": "`CheckpointHook`.",
            "progress": "`ProgressHook`.",
            "curves": "`CurvesHook`.",
            "ema": "`EMAHook`: the moving average of the weights, which is evaluated and saved.",
            "runtime_info": "`RuntimeInfoHook`, which logs losses and learning rate; it must stay.",
            "param_scheduler": "MMEngine's `ParamSchedulerHook`; it must stay where there are schedules.",
            "timer": "MMEngine's hook, switched off: `ProgressHook` reports the times.",
            "sampler_seed": "MMEngine's hook, switched off: `SeededSampler` needs no epochs.",
            "logger": "MMEngine's hook, switched off: `ProgressHook` writes the log.",
        },
        "EMAHook": {
            "ema_type": "`MomentumAnnealingEMA`: a step has the weight gamma / (gamma + steps), at least `momentum`.",
            "momentum": "Smallest weight of a step in the average.",
            "gamma": "See `ema_type`: the average of a short training is over its last part only.",
            "update_buffers": "Average the statistics of the batch norms too.",
            "interval": "Iterations between two updates of the average.",
            "begin_iter": "Iteration at which the average starts.",
        },
        "Any hook": {"priority": 'The order within an iteration, such as `"LOW"`.'},
    },
    "param_scheduler": {
        "Any schedule": {
            "begin": "First iteration.",
            "end": "Iteration at which it ends; default: `train_cfg.max_iters`.",
        },
        "LinearLR": {
            "start_factor": "Factor of the learning rate at `begin`; default: 1/3.",
            "end_factor": "Factor at `end`; default: 1.",
        },
        "CosineAnnealingLR": {
            "T_max": "Iterations from the full learning rate to the smallest one; default: `end - begin`.",
            "eta_min": "Smallest learning rate; default: 0.",
            "eta_min_ratio": "The same as a fraction of the full one.",
        },
        "StepLR": {
            "step_size": "Iterations between two steps.",
            "step_epochs": "The same in epochs, in place of `step_size`.",
            "gamma": "Factor of each step; default: 0.1.",
        },
        "PolyLR": {
            "power": "Power of the polynomial; default: 1.",
            "eta_min": "Learning rate at `end`; default: 0.",
        },
    },
}

# Key -> meaning, and the function that reads it.
TOP_LEVEL = {
    "model": ("The network, its loss and its post-processing.", "densevision.training.runner.DenseRunner"),
    "train_dataloader": ("The training data.", "densevision.training.runner.DenseRunner"),
    "val_dataloader": ("The data that a training is evaluated on.", "densevision.training.runner.DenseRunner"),
    "test_dataloader": (
        "The data of `densevision test`; default: `val_dataloader`.",
        "densevision.config.derive.fill_test",
    ),
    "val_evaluator": ("The metric, or a list of metrics.", "densevision.training.metrics.build_evaluator"),
    "test_evaluator": ("Default: `val_evaluator`.", "densevision.config.derive.fill_test"),
    "train_cfg": ("Length of the training and interval of the evaluations.", "densevision.training.loop.TrainLoop"),
    "val_cfg": ("MMEngine's loop of an evaluation.", "densevision.training.parts.check_parts"),
    "test_cfg": ("MMEngine's loop of a test.", "densevision.training.parts.check_parts"),
    "optim_wrapper": ("The optimizer and its guards.", "densevision.training.optim.GuardedOptimWrapper"),
    "param_scheduler": (
        "Schedules of the learning rate, in iterations.",
        "densevision.training.prepare.fill_schedules",
    ),
    "default_hooks": ("Checkpoints, progress, curves, moving average.", "densevision.training.runner.build_runner"),
    "custom_hooks": ("A list of further hooks.", "densevision.training.runner.DenseRunner"),
    "init_from": ("The weights that a training starts from.", "densevision.config.init_from.InitFrom"),
    "teacher": ("A trained network whose outputs a training follows.", "densevision.config.teacher.TeacherOptions"),
    "total_batch": (
        "Images per step, over all processes, that the learning rate was chosen for; another number is reported.",
        "densevision.training.start.training_lines",
    ),
    "auto_scale_lr": (
        "True: scale the learning rate by the images per step divided by `total_batch`; the start prints it.",
        "densevision.training.plan.scale_rate",
    ),
    "sync_bn": (
        '`"torch"`: batch norms over the images of all processes, on GPUs.',
        "densevision.training.process.check_sync_bn",
    ),
    "paper": (
        "The row of the paper that the network is, `dict(table=6, row=5)`, rows counted from 1: `benchmark` prints its "
        "latency next to the measured one. Leave it out of a config with another network.",
        "densevision.config.paper.check_paper",
    ),
    "randomness": (
        "`dict(seed=0)`; `deterministic=True` also makes cuDNN deterministic.",
        "densevision.training.runner.DenseRunner",
    ),
    "env_cfg": (
        "`cudnn_benchmark`, `mp_cfg` (start method and OpenCV threads of workers) and `dist_cfg`.",
        "densevision.training.runner.DenseRunner",
    ),
    "work_dir": ("Results folder; set it by `--work-dir`.", "densevision.training.runner.DenseRunner"),
    "resume": ("Set it by `--resume`.", "densevision.training.runner.build_runner"),
    "launcher": ("Set it by `--launcher`.", "densevision.training.runner.build_runner"),
    "load_from": ("A checkpoint to evaluate, or to resume from.", "densevision.training.runner.build_runner"),
    "experiment_name": ("Name in MMEngine's log; default: the config's.", "densevision.training.runner.build_runner"),
    "visualizer": ("MMEngine's; default: TensorBoard where installed.", "densevision.training.runner.build_runner"),
    "log_level": ('Of the log file, `"INFO"`.', "densevision.training.runner.DenseRunner"),
    "log_processor": ("MMEngine's; not used by `ProgressHook`.", "densevision.training.runner.DenseRunner"),
    "default_scope": (
        "MMEngine's registry scope; None, as configs name classes.",
        "densevision.training.runner.DenseRunner",
    ),
    "data_preprocessor": ("Default of `model.data_preprocessor`.", "densevision.training.runner.DenseRunner"),
    "model_wrapper_cfg": ("MMEngine's wrapper for several processes.", "densevision.training.runner.DenseRunner"),
    "compile": ("MMEngine's `torch.compile`.", "densevision.training.runner.DenseRunner"),
    "activation_checkpointing": ("MMEngine's, saves GPU memory.", "densevision.training.runner.DenseRunner"),
}
