"""Files mapped for reading: what is held, and for how long."""

import errno
import mmap
import os
from pathlib import Path

import descriptors
import numpy as np
import pytest

from monitor.store.mapped import Mapped

CONTENT = bytes(range(256)) * 64  # four pages
LENGTH = len(CONTENT)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(CONTENT)
    return path


def mapped(path, length=LENGTH, offset=0):
    with path.open("rb") as file:
        return Mapped(file.fileno(), length, offset)


def is_mapped(path):
    return str(path) in Path("/proc/self/maps").read_text()


def test_the_bytes_are_those_of_the_file_and_hold_no_descriptor(path):
    before = descriptors.held()
    array = mapped(path).array()
    assert (array.tobytes(), descriptors.held()) == (CONTENT, before)


def test_a_mapping_may_begin_at_a_later_page(path):
    page = mmap.ALLOCATIONGRANULARITY
    assert mapped(path, 5, page).array().tobytes() == CONTENT[page : page + 5]


def test_a_mapping_ends_with_the_last_array_on_it(path):
    part = mapped(path).array()[100:108].view("<u8")
    also = memoryview(part)
    assert is_mapped(path)
    del part
    assert bytes(also) == CONTENT[100:108]
    del also
    assert not is_mapped(path)


def test_a_mapping_outlives_the_name_of_its_file(path):
    array = mapped(path).array()
    path.unlink()
    assert array.tobytes() == CONTENT


def test_nobody_writes_into_a_mapping(path):
    array = mapped(path).array()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    with pytest.raises(TypeError):
        memoryview(array)[0] = 1


def test_pages_that_were_let_go_come_back(path):
    mapping = mapped(path)
    array = mapping.array()
    mapping.release()
    assert np.array_equal(array, np.frombuffer(CONTENT, np.uint8))


def test_what_the_kernel_refuses_is_an_error_with_its_number(tmp_path, path):
    directory = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match="No such device") as refused:
        Mapped(directory, 5)
    os.close(directory)
    assert refused.value.errno == errno.ENODEV
