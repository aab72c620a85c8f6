"""Reading GRUB's files: the menu as grub-mkconfig of Debian 12 wrote it, and environment blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils import mshare_grub as grub

UUID = "9c3822a7-4d52-41f9-b82e-57fa248d5bef"
STOCK = "6.1.0-56-cloud-amd64"
HERE = Path(__file__).parent / "boot" / "grub"


def block(text: str) -> str:
    """An environment block with some variables."""
    return (grub.ENV_SIGNATURE + text).ljust(grub.ENV_SIZE, "#")


def test_menu_with_submenu() -> None:
    entries = grub.parse_menu((HERE / "submenu.cfg").read_text())
    assert [(one["id"].split(UUID)[0], one["top"], one["recovery"]) for one in entries] == [
        ("gnulinux-simple-", True, False),
        ("gnulinux-advanced-", False, False),
        ("gnulinux-advanced-", False, True),
    ]
    assert {one["release"] for one in entries} == {STOCK}
    assert entries[0]["initrd"] == f"/boot/initrd.img-{STOCK}"
    assert "console=ttyS0" in entries[0]["args"]
    assert grub.entry_for(entries, STOCK) is None
    assert grub.flat_id(entries, STOCK) == f"gnulinux-{STOCK}-advanced-{UUID}"


def test_flat_menu() -> None:
    entries = grub.parse_menu((HERE / "flat.cfg").read_text())
    entry = grub.entry_for(entries, STOCK)
    assert entry is not None
    assert entry["id"] == grub.flat_id(entries, STOCK) == f"gnulinux-{STOCK}-advanced-{UUID}"
    assert "panic=10" in entry["args"]
    assert grub.find(entries, entry["id"]) == entry
    assert grub.find(entries, "") is None


def test_traits() -> None:
    submenu, flat = ((HERE / name).read_text() for name in ("submenu.cfg", "flat.cfg"))
    assert grub.config_traits(submenu) == {"generated": True, "one_shot": True, "saved_default": False}
    assert grub.config_traits(flat) == {"generated": True, "one_shot": True, "saved_default": True}
    assert not any(grub.config_traits("menuentry 'mine' {\n linux /vmlinuz\n}\n").values())


def test_menu_on_a_partition_of_its_own_with_quotes_and_microcode() -> None:
    text = (
        "menuentry 'It'\\''s mine' --class gnu $menuentry_id_option 'mine' {\n"
        "\tlinux\t/vmlinuz-6.1 root=/dev/vda ro  \n\tinitrd\t/early.cpio /initrd.img-6.1\n}\n"
        "menuentry 'Firmware' $menuentry_id_option 'uefi' {\n\tfwsetup\n}\n"
    )
    linux, firmware = grub.parse_menu(text)
    assert (linux["title"], linux["release"], linux["initrd"]) == ("It's mine", "6.1", "/initrd.img-6.1")
    assert (firmware["id"], firmware["release"]) == ("uefi", "")


def test_environment_block() -> None:
    assert grub.parse_env(block("# WARNING: do not edit\nsaved_entry=a>b\nnext_entry=\n")) == {
        "saved_entry": "a>b",
        "next_entry": "",
    }


def test_environment_block_escapes() -> None:
    assert grub.parse_env(block("a=one\\\\two\nb=line\\\nbreak\n")) == {"a": "one\\two", "b": "line\nbreak"}


@pytest.mark.parametrize("text", ["", "\0" * 1024, "saved_entry=x\n"])
def test_damaged_environment_block(text: str) -> None:
    with pytest.raises(ValueError, match="does not begin"):
        grub.parse_env(text)
