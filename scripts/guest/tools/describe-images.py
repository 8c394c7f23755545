#!/usr/bin/env python3
"""Write what qemu-img and sfdisk say of every image in a directory, as JSON.

usage: describe-images.py DIRECTORY PASSPHRASE OUT

Runs in DIRECTORY, so that no path of this machine is in the answers. Must run
as root: a loop device is the way to show sfdisk sectors of 4096 bytes.
"""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys

# Answers that depend on the host's filesystem, and what is said elsewhere.
IGNORED_INFO = ("filename", "full-backing-filename", "actual-size", "virtual-size", "format")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def opened(name: str, info: dict, passphrase: str) -> list[str]:
    """The arguments by which qemu-img opens an image."""
    options = f"driver={info['format']},file.filename={name}"
    if not info.get("encrypted"):
        return ["--image-opts", options]
    key = f"secret,id=key,data={passphrase}"
    return ["--object", key, "--image-opts", f"{options},encrypt.key-secret=key"]


@contextlib.contextmanager
def raw_copy(*convert_arguments: str):
    path = f".describe.{os.getpid()}.raw"
    try:
        run("qemu-img", "convert", "-O", "raw", *convert_arguments, path)
        yield path
    finally:
        if os.path.exists(path):
            os.unlink(path)


def file_hash(path: str, offset: int = 0, length: int = -1) -> str:
    with open(path, "rb") as disk:
        disk.seek(offset)
        return hashlib.sha256(disk.read(length)).hexdigest()


def partition_table(raw: str, sector_bytes: int) -> dict:
    """sfdisk's account, with numbers for device names and a hash of each."""
    device = run("losetup", "-f", "-r", "--show", "-b", str(sector_bytes), raw).strip()
    try:
        table = json.loads(run("sfdisk", "--json", device))["partitiontable"]
    finally:
        run("losetup", "-d", device)
    del table["device"]
    for partition in table["partitions"]:
        node = partition.pop("node").removeprefix(device)
        partition["number"] = int(node.removeprefix("p"))
        # An extended partition is a container; its content is not the guest's.
        if partition["type"] not in ("5", "f"):
            offset, length = (partition[key] * sector_bytes for key in ("start", "size"))
            partition["sha256"] = file_hash(raw, offset, length)
    return table


def partitions_of(name: str, raw: str) -> dict:
    scheme = re.match(r"(?:mbr|gpt)-(4k)?", os.path.basename(name))
    if not scheme:
        return {}
    return {"partitionTable": partition_table(raw, 4096 if scheme[1] else 512)}


def describe(name: str, passphrase: str) -> dict:
    info = json.loads(run("qemu-img", "info", "--output=json", name))
    arguments = opened(name, info, passphrase)
    fields = {"format": info["format"], "virtualSize": info["virtual-size"]}
    with raw_copy(*arguments) as raw:
        fields["sha256"] = file_hash(raw)
        fields.update(partitions_of(name, raw))
    for snapshot in info.get("snapshots", []):
        with raw_copy("-l", f"snapshot.id={snapshot['id']}", *arguments) as raw:
            hashes = fields.setdefault("snapshotSha256", {})
            hashes[snapshot["id"]] = file_hash(raw)
    if info.get("encrypted"):
        fields["passphrase"] = passphrase
    fields["map"] = json.loads(run("qemu-img", "map", "--output=json", *arguments))
    fields["info"] = {key: value for key, value in info.items() if key not in IGNORED_INFO}
    return fields


def image_names() -> list[str]:
    found = []
    for parent, _, names in os.walk("."):
        found += [os.path.relpath(os.path.join(parent, name)) for name in names]
    return sorted(name for name in found if re.search(r"\.qcow2?$", name))


def write_objects(images: dict, path: str) -> None:
    """One line for each field of an image: readable, and differences are small."""
    with open(path, "w", encoding="ascii") as out:
        out.write("{")
        for number, (name, fields) in enumerate(images.items()):
            lines = (f"\n    {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
            out.write(f"{',' if number else ''}\n  {json.dumps(name)}: {{{','.join(lines)}\n  }}")
        out.write("\n}\n")


def main(directory: str, passphrase: str, out: str) -> None:
    out = os.path.abspath(out)
    os.chdir(directory)
    write_objects({name: describe(name, passphrase) for name in image_names()}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
