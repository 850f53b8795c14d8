#!/usr/bin/env python3
"""Rules for every file of the repository.

Usage: repository.py [--self-test] [ROOT]

ROOT is a git work tree (the one this file is in); tracked files and new ones that are not ignored are read. Files of
tests/data and fuzz corpora are other people's bytes: only the rule on size holds for them.
"""

import pathlib
import re
import subprocess
import sys

# Written in two parts, so that this file does not break its own rules.
LATER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
HOSTS = re.compile("|".join((
    r"registry\.np" + "mjs", r"\bpy" + r"pi\.org", r"python" + r"hosted\.org", r"proxy\.go" + r"lang\.org",
    r"\bcrates" + r"\.io\b", r"repo1?\.mav" + "en", r"deb\.deb" + r"ian\.org", r"\bdock" + r"er\.io\b",
    r"\bghc" + r"r\.io\b", r"\bqua" + r"y\.io\b", r"\bgc" + r"r\.io\b", r"registry\.k8" + r"s\.io")))
MACHINE = re.compile(r"(?<![\w.@$}-])/(home|root|Users|wo" + r"rk)/\w|\.\./sha" + "red")
TEXT = re.compile(r"\.(cc|h|proto|py|ya?ml|md|cmake|sh|m?js|ts|json|toml|supp|cfg|txt)$|(^|/)(dev|run|Dockerfile)$")
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
FOREIGN = ("tests/data/", "tests/fuzz/corpus/")
BYTES_MAX = 1 << 20


def check_file(name, content):
    """The violations of one file, as text with file and line."""
    if len(content) > BYTES_MAX:
        return [f"{name}: {len(content)} bytes; the limit is {BYTES_MAX}"]
    if name.startswith(FOREIGN):
        return []
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return [f"{name}: not UTF-8"] if TEXT.search(name) else []
    if "\0" in text or not text:
        return []
    violations = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        if LATER.search(line):
            violations.append(f"{where}: a note for later; finish it, or open an issue")
        if HOSTS.search(line):
            violations.append(f"{where}: names a package registry; clients know theirs by configuration")
        if MACHINE.search(line):
            violations.append(f"{where}: a path outside the project")
        if TEXT.search(name):
            if "\t" in line:
                violations.append(f"{where}: a tab")
            if line != line.rstrip():
                violations.append(f"{where}: space at the line's end")
    if TEXT.search(name) and (lines[-1] != "" or lines[-2:] == ["", ""]):
        violations.append(f"{name}: does not end with exactly one newline")
    if name.endswith(".h"):
        if "#pragma once" not in lines:
            violations.append(f"{name}: no #pragma once")
        if not lines[0].startswith("//"):
            violations.append(f"{name}: no comment at the top that says its purpose")
    return violations


def check_links(name, text, root):
    """The links of a page that lead to no file of the repository."""
    return [f"{name}: a link to {target}, which is not there" for target in LINK.findall(text)
            if not (root / name).parent.joinpath(target).exists()]


def check(root):
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True, text=True).stdout
    names = sorted(name for name in set(listing.split("\0")) if (root / name).is_file())
    if not names:
        raise SystemExit(f"{root}: no files")
    violations = [violation for name in names for violation in check_file(name, (root / name).read_bytes())]
    for name in names:
        if name.endswith(".md") and not name.startswith(FOREIGN):
            violations += check_links(name, (root / name).read_text(), root)
    return violations


def self_test():
    header = "// What it is for.\n#pragma once\n"
    for name, text in {
        "src/a.h": header,
        "README.md": "No notes for later.\n",
        "tests/data/x.json": "TO" + "DO\t",
        "bin.dat": "\0\t",
        ".npmrc": "",
        "k8s/a.yaml": "path: /var/lib/hookstream\nurl: https://hooks.example.com/work/a\n",
    }.items():
        assert check_file(name, text.encode()) == [], (name, check_file(name, text.encode()))
    planted = [
        ("src/a.cc", "int a;  // TO" + "DO: b\n", "note for later"),
        ("a.json", '{"resolved": "https://registry.np' + 'mjs.org/a"}\n', "package registry"),
        ("Dockerfile", "FROM qua" + "y.io/a\n", "package registry"),
        ("dev", "cd /home" + "/me/hookstream\n", "outside the project"),
        ("README.md", "see ../sha" + "red/x\n", "outside the project"),
        ("src/a.cc", "\tint a;\n", "a tab"),
        ("src/a.cc", "int a; \n", "line's end"),
        ("src/a.cc", "int a;", "exactly one newline"),
        ("src/a.cc", "int a;\n\n", "exactly one newline"),
        ("src/a.h", "// What.\n", "pragma once"),
        ("src/a.h", "#pragma once\n", "purpose"),
        ("src/a.cc", b"\xff\n", "not UTF-8"),
        ("tests/data/big", "a" * (BYTES_MAX + 1), "limit"),
    ]
    for name, content, expected in planted:
        found = check_file(name, content if isinstance(content, bytes) else content.encode())
        assert len(found) == 1 and expected in found[0], (name, expected, found)
    root = pathlib.Path(__file__).resolve().parents[2]
    page = "[a](dev) [b](https://example.com/x) [c](#part) [d](no/such/page.md)\n"
    assert check_links("README.md", page, root) == ["README.md: a link to no/such/page.md, which is not there"]
    print(f"{len(planted) + 1} planted violations found")


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        self_test()
        return 0
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parents[2]
    violations = check(root)
    print("\n".join(violations), end="\n" if violations else "")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
