import pytest
from torch.utils.data import DataLoader

from densevision.errors import UserError, as_path


class Faulty:
    """A data set whose only item is wrong."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise OSError("underneath")
        except OSError as error:
            raise UserError("a.png: mend it") from error


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_users_error_stays_one_line_also_out_of_a_loader_worker(num_workers):
    with pytest.raises(UserError) as caught:
        next(iter(DataLoader(Faulty(), num_workers=num_workers)))
    assert str(caught.value) == "a.png: mend it"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "model is None; give a path"),
        (3, "model is 3; give a path"),
        (b"best.pth", "model is b'best.pth'; give a path"),
        ("", "model is ''; give a path"),
        ("a\0b", r"model is 'a\x00b'; give a path"),
        ("x" * 5000, f"model {'x' * 100}: File name too long; give another path"),
    ],
)
def test_what_is_no_path_is_refused_in_one_line(value, message):
    with pytest.raises(UserError) as raised:
        as_path(value, "model")
    assert str(raised.value) == message


def test_a_name_with_a_newline_stays_in_the_line():
    assert str(UserError("--name a\nb\r\nc: give letters")) == "--name a b c: give letters"
