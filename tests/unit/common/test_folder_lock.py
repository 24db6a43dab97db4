from pathlib import Path

import pytest

from common.folder_lock import FolderInUse, locked_folder


def test_makes_the_folder_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"

    with locked_folder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_is_for_one_at_a_time(tmp_path: Path) -> None:
    with (
        locked_folder(tmp_path),
        pytest.raises(FolderInUse, match=f"Another process is working on {tmp_path}"),
        locked_folder(tmp_path),
    ):
        pass


def test_is_free_again_afterwards_whatever_happened(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked_folder(tmp_path):
        raise RuntimeError

    with locked_folder(tmp_path):
        pass
