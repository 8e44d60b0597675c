import pytest
from torch.utils.data import DataLoader

from densevision.errors import UserError


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
