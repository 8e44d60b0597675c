import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model.averaged_model import MomentumAnnealingEMA
from torch import nn

from densevision.errors import UserError
from densevision.training.deferred import DeferredBuffer, FiniteBuffer, Snapshot, record
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


@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop", "AdamW", "MuonAdamW"])
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


class TestPrecision:
    def wrapper(self, amp, **options):
        module = nn.Linear(2, 1, bias=False)
        module.weight.data.fill_(1.0)
        return module, GuardedOptimWrapper(torch.optim.SGD(module.parameters(), lr=0.5), amp=amp, **options)

    def test_another_type_is_one_line(self):
        with pytest.raises(UserError, match="optim_wrapper.amp is 'half'; give 'bf16' or 'fp16', or None for float32"):
            self.wrapper("half")
        with pytest.raises(UserError, match='loss_scale is for optim_wrapper.amp = "fp16"; remove it, or set that'):
            self.wrapper("bf16", loss_scale="dynamic")
        with pytest.raises(UserError, match="loss_scale is 'static'; give \"dynamic\", or a dict of options"):
            self.wrapper("fp16", loss_scale="static")

    def test_bf16_computes_in_bf16_and_keeps_weights_in_float32(self):
        module, wrapper = self.wrapper("bf16")
        with wrapper.optim_context(module):
            output = module(torch.ones(1, 2))
        assert output.dtype is torch.bfloat16 and module.weight.dtype is torch.float32

    def test_fp16_scales_the_loss_and_steps_as_if_not(self):
        module, wrapper = self.wrapper("fp16", loss_scale=dict(init_scale=8.0))
        loss = module(torch.ones(1, 2)).sum()
        scaled = wrapper.precision.scale(loss)
        assert scaled.item() == 16.0
        wrapper.update_params(loss)
        assert module.weight.tolist() == [[0.5, 0.5]] and wrapper.bad_in_a_row == 0

    def test_fp16_halves_the_scale_while_gradients_overflow(self):
        """1e18 times 2^70 or 2^69 is more than float32 holds, times 2^68 is not."""
        module, wrapper = self.wrapper("fp16", loss_scale=dict(init_scale=2.0**70))
        seen = []
        for _ in range(4):
            wrapper.update_params(module(torch.full((1, 2), 1e18)).sum())
            seen.append((wrapper.precision.state_dict()["loss_scaler"]["scale"], wrapper.bad_in_a_row))
        assert seen == [(2.0**69, 0), (2.0**68, 0), (2.0**68, 0), (2.0**68, 0)]
        assert module.weight.tolist() == [pytest.approx([-1e18, -1e18])]

    def test_fp16_counts_what_is_not_finite_at_a_scale_of_1(self):
        module, wrapper = self.wrapper("fp16", loss_scale=dict(init_scale=4.0))
        counted = []
        for _ in range(4):
            wrapper.update_params((module.weight * 0).sqrt().sum())  # 0, with a gradient that is no number
            counted.append(wrapper.bad_in_a_row)
        assert counted == [0, 1, 2, 3] and module.weight.tolist() == [[1.0, 1.0]]

    def test_the_scale_is_saved_and_loaded(self):
        module, wrapper = self.wrapper("fp16", loss_scale=dict(init_scale=8.0))
        wrapper.update_params(module(torch.ones(1, 2)).sum())
        other = self.wrapper("fp16")[1]
        other.load_state_dict(wrapper.state_dict())
        assert other.precision.state_dict()["loss_scaler"]["scale"] == 8.0
        self.wrapper(None)[1].load_state_dict(wrapper.state_dict())  # a training can go on in float32


def test_a_window_of_accumulated_batches_is_skipped_as_a_whole():
    module = nn.Linear(1, 1, bias=False)
    wrapper = GuardedOptimWrapper(torch.optim.SGD(module.parameters(), lr=0.5), accumulative_counts=2)
    weights = []
    for value in (1.0, 1.0, float("nan"), 1.0, 1.0, 1.0):
        wrapper.update_params(module(torch.tensor([[value]])).sum())
        weights.append(module.weight.item())
    changed = [abs(a - b) > 0.4 for a, b in zip(weights[1:], weights[:-1], strict=True)]
    assert changed == [True, False, False, False, True]


class TestDeferredLog:
    def test_values_are_read_when_they_are_used(self):
        hub = MessageHub("deferred")
        for value in (1.0, 2.0, 6.0):
            record(hub, "train/loss", torch.tensor(value))
        buffer = hub.log_scalars["train/loss"]
        assert len(buffer._pending) == 3
        assert buffer.mean(2) == 4.0 and buffer.current() == 6.0 and buffer._pending == []
        assert [column.tolist() for column in buffer.data] == [[1.0, 2.0, 6.0], [1, 1, 1]]
        assert hub.state_dict()["log_scalars"]["train/loss"].current() == 6.0

    def test_skipped_batches_have_no_gradient_norm(self):
        buffer = FiniteBuffer([3.0], [1])
        for value in (float("nan"), 5.0, float("inf")):
            buffer.defer(torch.tensor(value))
        assert buffer.data[0].tolist() == [3.0, 5.0]

    def test_a_history_is_bounded(self):
        buffer = DeferredBuffer(max_length=3)
        for value in range(5):
            buffer.defer(torch.tensor(float(value)))
        assert buffer.data[0].tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("gpu", [True, False])
def test_a_snapshot_restores_every_type_and_layout_bit_for_bit(gpu, monkeypatch):
    monkeypatch.setattr("densevision.training.deferred.waits", lambda value: gpu)
    tensors = [
        torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.tensor(3),
        torch.randn(4, 4)[:, ::2],  # not dense
        torch.tensor([True, False]),
        torch.tensor([float("nan"), -0.0]),
    ]
    before, kept = [tensor.clone() for tensor in tensors], Snapshot(tensors)
    for tensor in tensors:
        tensor.fill_(1)
    kept.restore_where(torch.tensor(False))
    assert all((tensor == 1).all() for tensor in tensors)
    kept.restore_where(torch.tensor(True))
    for tensor, wanted in zip(tensors, before, strict=True):
        assert (
            torch.equal(tensor.nan_to_num(7.0), wanted.nan_to_num(7.0))
            if wanted.is_floating_point()
            else (torch.equal(tensor, wanted))
        )
