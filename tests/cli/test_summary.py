import json
from pathlib import Path

from densevision.cli.main import main

CONFIGS = Path(__file__).parents[2] / "configs"


def test_summary_prints_layers_taps_and_totals(capsys):
    config = CONFIGS / "detection" / "ssdlite_v3_small_coco.py"
    assert main(["summary", str(config), "--size", "64", "96"]) == 0
    out = capsys.readouterr().out
    # the stem: 3 * 16 * 9 = 432 weights, on 32x48 positions 663,552 multiply-adds
    stem = next(line.split() for line in out.splitlines() if line.strip().startswith("backbone.stem"))
    assert stem == ["backbone.stem", "16x32x48", "464", "663,552"]  # with 2 * 16 of the norm
    assert "tap c4: 288 channels at stride 16" in out
    # the stem reads the image and writes its map: (3*64*96 + 16*32*48) * 4 = 172,032, more than any later step
    assert "peak activation memory 172,032 bytes" in out
    assert max(map(len, out.splitlines())) <= 80


def test_summary_writes_what_it_prints(tmp_path, capsys):
    path = tmp_path / "layers.json"
    config = CONFIGS / "detection" / "ssdlite_v3_small_coco.py"
    assert main(["summary", str(config), "--size", "64", "96", "--json", str(path)]) == 0
    found, out = json.loads(path.read_text()), capsys.readouterr().out
    assert f"params {found['params']:,} (" in out and f"MAdds {found['madds']:,}," in out
    assert found["peak_activation_bytes"] == 172_032 and found["input_size"] == [64, 96]
    assert found["taps"]["c4"] == dict(channels=288, stride=16)
    assert sum(layer["params"] for layer in found["layers"]) == found["params"]


def test_configs_are_listed_as_json(tmp_path, capsys):
    path = tmp_path / "configs.json"
    assert main(["configs", "bccd", "--json", str(path)]) == 0
    found, out = json.loads(path.read_text()), capsys.readouterr().out
    assert found and all(one["name"] in out and Path(one["file"]).is_file() for one in found)
    assert {one["task"] for one in found} == {"detection", "classification"}  # of the cells cut out


def test_summary_takes_the_crop_of_a_segmentor(capsys):
    config = CONFIGS / "segmentation" / "lraspp_v3_small_camvid.py"
    assert main(["summary", str(config)]) == 0
    assert "288x384" in capsys.readouterr().out


def test_summary_knows_other_crops_and_leaves_out_what_only_trains(tmp_path, capsys):
    source = (CONFIGS / "segmentation" / "lraspp_v3_small_camvid.py").read_text()
    changed = "train_dataloader.dataset.transforms = [dict(type='densevision.ClassUniformCrop', height=64, width=96)]\n"
    changed += "model.update(auxiliary=dict(type='densevision.AuxiliaryHead'))\n"
    (tmp_path / "mine.py").write_text(source + changed)
    totals = []
    for words in (
        [str(CONFIGS / "segmentation" / "lraspp_v3_small_camvid.py"), "--size", "64", "96"],
        [tmp_path / "mine.py"],
    ):
        assert main(["summary", *map(str, words)]) == 0
        totals.append([line for line in capsys.readouterr().out.splitlines() if line.startswith(("params", "MAdds"))])
    assert totals[0] == totals[1] and len(totals[0]) == 2
    (tmp_path / "mine.py").write_text(source + "train_dataloader.dataset.transforms = []\n")
    assert main(["summary", str(tmp_path / "mine.py")]) == 2
    assert "neither an input size nor a RandomCrop in its transforms; give --size H W" in capsys.readouterr().err


def test_a_size_of_nothing_is_one_line(capsys):
    config = CONFIGS / "detection" / "ssdlite_v3_small_coco.py"
    assert main(["summary", str(config), "--size", "0", "96"]) == 2
    assert capsys.readouterr().err == "densevision: error: --size 0 96: give height and width in pixels, 1 or more\n"


def test_a_config_without_data_is_one_line(tmp_path, capsys):
    model = "model = dict(type='SSDLite', backbone=dict(name='mobilenet_v3_small'), num_classes=2)"
    (tmp_path / "config.py").write_text(model)
    assert main(["summary", str(tmp_path / "config.py")]) == 2
    assert "config.py has no model or no train_dataloader.dataset" in capsys.readouterr().err
