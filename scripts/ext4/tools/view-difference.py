#!/usr/bin/env python3
"""Compare two manifests of one image, as JSON: how far the first is from the second.

usage: view-difference.py VIEW MANIFEST

Only what the manifest records is compared.
"""

import json
import sys


def load(path: str) -> dict[str, dict]:
    with open(path, encoding="ascii") as source:
        return {entry["path"]: entry for entry in map(json.loads, source)}


def differs(view: dict, manifest: dict) -> bool:
    # Reading may move the access time.
    return any(view.get(key) != value for key, value in manifest.items() if key != "atime_ns")


def difference(view_path: str, manifest_path: str) -> dict:
    view, manifest = load(view_path), load(manifest_path)
    common = view.keys() & manifest.keys()
    changed = [path for path in common if differs(view[path], manifest[path])]
    return {
        "equal": len(common) - len(changed),
        "missing": len(manifest.keys() - view.keys()),
        "extra": len(view.keys() - manifest.keys()),
        "changed": len(changed),
        "wrong_content": sum(view[p].get("sha256") != manifest[p].get("sha256") for p in changed),
    }


if __name__ == "__main__":
    print(json.dumps(difference(*sys.argv[1:])))
