import pytest
import torch
from mmengine.model.averaged_model import MomentumAnnealingEMA
from torch import nn

from densevision.errors import UserError
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper
from tests.training.toy_runs import train


def make_step(gradient: float):
    """A weight of 1 and a statistic of 0; the loss is weight * gradient and the step size 0.5."""
    module = nn.Module()
    module.weight = nn.Parameter(torch.tensor(1.0))
    module.register_buffer("statistic", torch.tensor(0.0))
    wrapper = GuardedOptimWrapper(torch.optim.SGD(module.parameters(), lr=0.5))
    with wrapper.optim_context(module):
        module.statistic += gradient
        loss = module.weight * gradient
    wrapper.update_params(loss)
    return module


def test_a_finite_batch_moves_weights_and_statistics():
    module = make_step(0.5)
    assert (module.weight.item(), module.statistic.item()) == (0.75, 0.5)


@pytest.mark.parametrize("gradient", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_moves_nothing(gradient):
    module = make_step(gradient)
    assert (module.weight.item(), module.statistic.item()) == (1.0, 0.0)


def test_a_finite_loss_with_a_gradient_that_is_not_finite_moves_nothing():
    weight = nn.Parameter(torch.tensor(0.0))
    wrapper = GuardedOptimWrapper(torch.optim.SGD([weight], lr=0.5))
    with wrapper.optim_context(nn.Module()):
        loss = weight.sqrt()  # 0, with the gradient 1 / 0
    wrapper.update_params(loss)
    assert weight.item() == 0.0 and wrapper.bad_in_a_row == 1


def test_training_goes_on_over_single_bad_batches(tmp_path, capsys):
    bad = (3, 4, 5, 6, 8)
    train(tmp_path, f"model.nan_at={bad}", "train_cfg.max_iters=20")
    state = torch.load(tmp_path / "iter_20.pth")
    assert all(torch.isfinite(t).all() for part in ("state_dict", "ema_state_dict") for t in state[part].values())
    assert "iteration 8: loss or gradient not finite, batch skipped" in capsys.readouterr().out


def test_training_ends_after_five_bad_batches_in_a_row(tmp_path):
    options = ["model.nan_at=(12, 13, 14, 15, 16)", "train_cfg.max_iters=30"]
    with pytest.raises(UserError, match=r"iteration 16: .* 5 times in a row; lower optim_wrapper.optimizer.lr"):
        train(tmp_path, *options)
    last_good = torch.load(tmp_path / "iter_10.pth")["state_dict"]
    assert all(torch.isfinite(tensor).all() for tensor in last_good.values())


def test_only_weights_of_convolutions_and_linear_layers_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))
    model[2].bias.requires_grad_(False)
    config = dict(type=GuardedOptimWrapper, optimizer=dict(type="SGD", lr=0.1, weight_decay=0.3))
    groups = DecayWeightsOnly(config)(model).optimizer.param_groups
    shapes = [[tuple(parameter.shape) for parameter in group["params"]] for group in groups]
    assert shapes == [[(4, 3, 1, 1), (2, 4)], [(4,), (4,), (4,)]]
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]


@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop", "AdamW"])
def test_optimizers_by_name(tmp_path, optimizer):
    chosen = f"optim_wrapper.optimizer=dict(type='{optimizer}', lr=0.001)"
    runner = train(tmp_path, chosen, "train_cfg.max_iters=2")
    assert type(runner.optim_wrapper.optimizer).__name__ == optimizer


@pytest.mark.parametrize(("momentum", "share"), [(0.001, 0.1), (1e-9, 0.1), (1e-9, 0.05)])
def test_the_moving_average_covers_a_share_of_the_iterations(momentum, share):
    model = torch.nn.Linear(1, 1, bias=False)
    average = MomentumAnnealingEMA(model, momentum=momentum, gamma=round(1 / share))
    for step in range(2001):  # a weight that grows evenly: its average lags by the share of 1 / (gamma + 1), about
        model.weight.data.fill_(step)
        average.update_parameters(model)
    lag = (2000 - average.module.weight.item()) / 2000
    assert lag == pytest.approx(share, rel=0.12)
