"""Examples of every command, which its ``--help`` shows. A test parses all of them."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "new": (
        "densevision new photos",
        "densevision new photos --name birds --target phone-fast",
    ),
    "check": ("densevision check photos", "densevision check mine.py --json faults.json"),
    "browse": ("densevision browse photos", "densevision browse mine.py --augmented --out samples.png"),
    "configs": ("densevision configs", "densevision configs camvid"),
    "train": (
        "densevision train ssdlite_v3_small_reduced_bccd",
        "densevision train mine.py --max-time 20m --patience 5",
        "densevision train mine.py --cfg-options train_cfg.max_iters=2000 model.width=0.5",
        "densevision train mine.py --resume",
    ),
    "test": (
        "densevision test work_dirs/mine/best.pth",
        "densevision test work_dirs/mine/best.pth --scales 0.75 1 1.25 --flip",
        "densevision test model.tflite --config mine.py --json metrics.json",
    ),
    "compare": ("densevision compare work_dirs/one work_dirs/other --html compared.html",),
    "demo": (
        "densevision demo work_dirs/mine/best.pth --input street.mp4 --out annotated.mp4",
        "densevision demo model.tflite --input 0 --show",
    ),
    "predict": (
        "densevision predict model.tflite street.jpg",
        "densevision predict work_dirs/mine/best.pth photos --json found.json --csv found.csv",
    ),
    "export": (
        "densevision export work_dirs/mine/best.pth --out model.tflite",
        "densevision export work_dirs/mine/best.pth --out model.tflite --quantize int8 --max-drop 1",
        "densevision export work_dirs/mine/best.pth --out model.tflite --quantize int8 --float-parts se stem",
        "densevision export work_dirs/mine/best.pth --out model.tflite --quantize int8 --search --max-drop 0.5",
    ),
    "adapt": (
        "densevision adapt work_dirs/mine/best.pth --target-latency 0.7x",
        "densevision adapt work_dirs/mine/best.pth --target-latency 8.5ms --quantize int8 --train-final",
        "densevision adapt work_dirs/mine/best.pth --target-latency 0.7x --resume",
        "densevision adapt work_dirs/mine/best.pth --target-latency 0.7x --device adb --binary benchmark_model",
    ),
    "convert": ("densevision convert torchvision:lraspp_mobilenet_v3_large --out weights.pth",),
    "convert-data": (
        "densevision convert-data photos --out photos_coco",
        "densevision convert-data photos --crops --out objects",
    ),
    "web": (
        "densevision web model.tflite --out site",
        "densevision web float.tflite int8.tflite --out site --image street.jpg",
    ),
    "serve": (
        "densevision serve model.tflite",
        "densevision serve float.tflite int8.tflite --lan --json times.json",
        "densevision serve model.tflite --adb",
    ),
    "benchmark": (
        "densevision benchmark float.tflite int8.tflite --threads 4",
        "densevision benchmark model.tflite --device adb --binary benchmark_model --json times.json",
        'densevision benchmark float.tflite int8.tflite --device "hub:Google Pixel 3"',
        "densevision benchmark float.tflite int8.tflite --browser times.json",
    ),
    "paper": (
        "densevision paper --table 6",
        "densevision paper --plot paper.png --json rows.json",
        "densevision paper --figure 9 --plot figure9.png",
    ),
    "summary": ("densevision summary lraspp_v3_small_camvid --size 360 480",),
    "quickstart": ("densevision quickstart --out runs/demo",),
    "doctor": ("densevision doctor", "densevision doctor --json environment.json"),
    "completion": (
        'eval "$(densevision completion bash)"      # in ~/.bashrc',
        'eval "$(densevision completion zsh)"       # in ~/.zshrc, after compinit',
        "densevision completion fish > ~/.config/fish/completions/densevision.fish",
    ),
    "help": ("densevision help", "densevision help export"),
}
