from pathlib import Path

from densevision.cli.main import main

CONFIGS = Path(__file__).parents[2] / "configs"


def test_summary_prints_layers_taps_and_totals(capsys):
    config = CONFIGS / "detection" / "ssdlite_mobilenet_v3_small_320_800k_coco.py"
    assert main(["summary", str(config), "--size", "64", "96"]) == 0
    out = capsys.readouterr().out
    # the stem: 3 * 16 * 9 = 432 weights, on 32x48 positions 663,552 multiply-adds
    assert "16x32x48" in out and "663,552" in out
    assert "tap c4: 288 channels at stride 16" in out


def test_summary_takes_the_crop_of_a_segmenter(capsys):
    config = CONFIGS / "segmentation" / "lraspp128_mobilenet_v3_small_reduced_os16_288x384_camvid.py"
    assert main(["summary", str(config)]) == 0
    assert "288x384" in capsys.readouterr().out
