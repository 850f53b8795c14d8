#!/usr/bin/env python3
"""Checks that every room of src/ includes only what the table in src/README.md allows it.

The table is the rule: its columns "may include" (rooms) and "must not include" (prefixes of other headers) are read
from there, so that the page can't say one thing and the test another. Further rules:
  - a header of an engine (store/embedded/, store/jetstream/) is included by its own folder and by app alone;
  - headers of our own are included as "room/file.h", and no room reads another room's sources (.cc).

Usage: includes.py [--self-test] [ROOT]
"""

import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
ROW = re.compile(r"^\|\s*`(\w+)`\s*\|(.*)\|\s*$")
ENGINE = re.compile(r"^store/(embedded|jetstream)/")


def read_table(readme):
    """{room: (rooms it may include, prefixes of headers it must not include)}."""
    lines = readme.read_text().splitlines()
    header = next((line for line in lines if line.startswith("|") and "may include" in line), None)
    if header is None:
        raise SystemExit(f"{readme}: no table with the column 'may include'")
    columns = [cell.strip() for cell in header.strip("|").split("|")]
    may, must_not = columns.index("may include"), columns.index("must not include")
    table = {}
    for line in lines:
        match = ROW.match(line)
        if not match:
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != len(columns):
            raise SystemExit(f"{readme}: the row of {match[1]} has {len(cells)} cells, not {len(columns)}")
        table[match[1]] = (re.findall(r"`([^`]+)`", cells[may]), tuple(re.findall(r"`([^`]+)`", cells[must_not])))
    for room, (allowed, _) in table.items():
        for other in allowed:
            if other not in table:
                raise SystemExit(f"{readme}: {room} may include {other}, which is no room")
    return table


def check(root):
    """The violations, each as text with file and line."""
    src = root / "src"
    table = read_table(src / "README.md")
    violations = []
    for path in sorted([*src.rglob("*.h"), *src.rglob("*.cc")]):
        place = path.relative_to(src)
        room = place.parts[0]
        if room not in table:
            violations.append(f"src/{place}: the room '{room}' is not in the table of src/README.md")
            continue
        allowed, forbidden = table[room]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            where, quoted, header = f"src/{place}:{number}", match[1] == '"', match[2]
            other = header.split("/")[0]
            if header.endswith(".cc"):
                violations.append(f"{where}: includes a source file, {header}")
            elif header.startswith(forbidden):
                violations.append(f"{where}: {room} must not include {header}")
            elif quoted and (src / header).exists():
                if other != room and other not in allowed:
                    violations.append(f"{where}: {room} must not include the room {other} ({header})")
                elif ENGINE.match(header) and room != "app" and place.parts[:2] != tuple(header.split("/")[:2]):
                    violations.append(f"{where}: only app names an engine ({header})")
            elif quoted and (path.parent / header).exists():
                violations.append(f'{where}: write "{room}/...", not "{header}"')
    return violations


def self_test():
    readme = """
| room | knows | may include | must not include |
|---|---|---|---|
| `base` | time | | `grpcpp/` |
| `verify` | bytes | `base` | `boost/asio` |
| `store` | events | `base` | |
| `app` | everything | `base` `verify` `store` | |
"""
    good = {
        "base/clock.h": "#include <string>\n",
        "verify/hmac.h": '#include "base/clock.h"\n',
        "store/store.h": '#include "base/clock.h"\n',
        "store/embedded/engine.h": '#include "store/store.h"\n',
        "store/embedded/engine.cc": '#include "store/embedded/engine.h"\n',
        "app/main.cc": '#include "store/embedded/engine.h"\n#include "verify/hmac.h"\n',
    }
    planted = {
        ("base/bad.h", '#include "verify/hmac.h"\n'): "must not include the room verify",
        ("base/bad.cc", "#include <grpcpp/grpcpp.h>\n"): "must not include grpcpp/grpcpp.h",
        ("verify/bad.cc", '#include "store/store.h"\n'): "must not include the room store",
        ("verify/bad.h", "  #  include <boost/asio.hpp>\n"): "must not include boost/asio.hpp",
        ("store/bad.cc", '#include "store/embedded/engine.h"\n'): "only app names an engine",
        ("store/worse.cc", '#include "store.h"\n'): 'write "store/..."',
        ("app/bad.cc", '#include "verify/hmac.cc"\n'): "includes a source file",
        ("attic/old.h", "#include <string>\n"): "is not in the table",
    }

    def violations_with(extra):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {"README.md": readme, **good, **extra}.items():
                path = root / "src" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(root)

    assert violations_with({}) == [], violations_with({})
    for (name, text), expected in planted.items():
        found = violations_with({name: text})
        assert len(found) == 1 and expected in found[0] and name in found[0], (name, expected, found)
    print(f"{len(planted)} planted violations found")


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
