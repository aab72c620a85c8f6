"""The key that signs the repository: made on first use, or given; and the signatures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InfraError, UserError
from ..kernel.files import locked
from ..run import Result, run

#: Name of the key that is made when none is given.
USER_ID = "mshare repository"


@dataclass(frozen=True)
class Signer:
    """A secret key that signs without asking: its GnuPG home, as gpg is to be told, and fingerprint."""

    home: Path
    fingerprint: str

    def _gpg(self, *words: str | Path, doing: str) -> Result:
        return _gpg(self.home, "--local-user", self.fingerprint, *words, doing=doing)

    def export(self, target: Path) -> None:
        """Write the public key, binary, as apt's `Signed-By` takes it."""
        _gpg(self.home, "--yes", "--output", target, "--export", self.fingerprint, doing="exporting the key")

    def sign(self, release: Path) -> None:
        """Write InRelease (signed text) and Release.gpg (detached) beside a Release file."""
        doing = "signing the repository's index"
        for target, how in (("InRelease", "--clear-sign"), ("Release.gpg", "--detach-sign")):
            out = release.with_name(target)
            self._gpg(
                "--yes", "--armor", "--digest-algo", "SHA512", "--output", out, how, release, doing=doing
            )


def _gpg(home: Path, *words: str | Path, doing: str, check: bool = True) -> Result:
    options = ("--batch", "--no-tty", "--homedir", home, "--pinentry-mode", "loopback", "--passphrase", "")
    return run(
        ["gpg", *options, *words],
        doing=doing,
        check=check,
        remedy="see that the key exists and has no passphrase",
    )


def _secret_keys(home: Path, pattern: str = "") -> list[str]:
    """Fingerprints of the secret keys in a home that can sign."""
    words = ["--with-colons", "--list-secret-keys", *([pattern] if pattern else [])]
    listing = _gpg(home, *words, doing="listing keys", check=False).stdout
    found, usable = [], False
    for line in listing.splitlines():
        parts = line.split(":")
        if parts[0] == "sec":
            usable = "S" in parts[11] and parts[1] not in ("r", "e")
        elif parts[0] == "fpr" and usable:
            found.append(parts[9])
            usable = False
    return found


@contextmanager
def signer(home: Path, key: str = "") -> Iterator[Signer]:
    """The key that signs, usable inside the `with`.

    Args:
        home: GnuPG home.
        key: fingerprint, id or user id of a key in it; when empty, the home's only key, which is made when
        missing.

    Raises:
        UserError: no such key, or several to choose from.
    """
    # The agent's socket lies in the home, and its path must be short: a link gives every home a short name.
    with tempfile.TemporaryDirectory(prefix="mshare-gpg-") as scratch, locked(home / ".mshare-lock"):
        link = Path(scratch) / "home"
        link.symlink_to(home.resolve(), target_is_directory=True)
        try:
            yield Signer(link, _choose(link, home, key))
        finally:
            run(["gpgconf", "--homedir", link, "--kill", "all"], doing="ending the key agent", check=False)


def _choose(link: Path, home: Path, key: str) -> str:
    keys = _secret_keys(link, key)
    if not keys and not key:
        words = ("--quick-generate-key", USER_ID, "ed25519", "sign", "never")
        _gpg(link, *words, doing=f"making a signing key in {home}")
        keys = _secret_keys(link)
    if len(keys) == 1:
        return keys[0]
    if keys:
        remedy = f"name one with --key: {', '.join(keys)}"
        raise UserError(f"choosing the signing key: {len(keys)} keys in {home} match", remedy)
    if key:
        raise UserError(
            f"choosing the signing key: no secret key {key!r} in {home}", "see gpg --list-secret-keys"
        )
    raise InfraError(f"making a signing key in {home}: gpg made none", "see that the directory is writable")


def verify(in_release: Path, keyring: Path) -> None:
    """Check a signed index with a public key, as hosts do.

    Raises:
        InfraError: the signature is not good.
    """
    run(["gpgv", "--keyring", keyring.resolve(), in_release], doing=f"verifying {in_release.name}")
