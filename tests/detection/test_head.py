import pytest
import torch

from densevision.detection.head import ExtraLayers, SSDLiteHead


def test_extra_layers_halve_and_round_up():
    maps = ExtraLayers(480)(torch.zeros(2, 480, 10, 7))
    assert [tuple(x.shape) for x in maps] == [(2, 512, 5, 4), (2, 256, 3, 2), (2, 256, 2, 1), (2, 128, 1, 1)]


def test_extra_layers_scale_with_the_width_down_to_16_channels():
    assert ExtraLayers(96, width=0.1).out_channels == [51, 25, 25, 16]


def test_anchors_are_ordered_by_map_row_column_shape():
    head = SSDLiteHead([4, 4], [2, 1], num_classes=3).eval()
    for predictor in (*head.classify, *head.regress):
        torch.nn.init.zeros_(predictor[-1].weight)
    head.regress[0][-1].bias.data = torch.arange(8.0)  # first shape 0..3, second shape 4..7
    head.regress[1][-1].bias.data = torch.arange(8.0, 12.0)
    logits, deltas = head([torch.zeros(1, 4, 1, 2), torch.zeros(1, 4, 1, 1)])
    assert logits.shape == (1, 5, 4)
    assert deltas[0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_predictions_keep_their_row_and_column():
    head = SSDLiteHead([1], [1], num_classes=1).eval()
    features = torch.arange(6.0).view(1, 1, 2, 3)
    by_row = head([features])[0][0, :, 0].view(2, 3)
    assert torch.allclose(by_row, head.classify[0](features)[0, 0])


def test_more_maps_than_predictors_raise_an_error():
    with pytest.raises(ValueError):
        SSDLiteHead([4], [2], 3)([torch.zeros(1, 4, 1, 1)] * 2)
