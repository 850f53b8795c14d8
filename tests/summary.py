#!/usr/bin/env python3
"""Adds up JUnit files and prints the closing line of a test run: `N passed, N failed, N skipped`.

Usage: summary.py [--skipped N] FOLDER...

A folder holds ctest.xml (one entry a program) and, for a GoogleTest program NAME, NAME.xml with its test cases, which
then count instead of the entry. A program that failed without a failed test case (it crashed, or leaked) counts as one
failure. Without a ctest.xml the folder's files count as they are; a folder without results counts as one failure.
Exit code: 0 when something ran and nothing failed.
"""

import argparse
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def tally(path):
    """Passed, failed and skipped test cases of one JUnit file, and the names of the failed."""
    passed, failed, skipped = 0, [], 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed.append(name)
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def tally_folder(folder):
    if not any(True for path in folder.glob("*.xml") for _ in ElementTree.parse(path).getroot().iter("testcase")):
        return 0, ["no results"], 0
    ctest = folder / "ctest.xml"
    if not ctest.exists():
        results = [tally(path) for path in sorted(folder.glob("*.xml"))]
        return sum(r[0] for r in results), [name for r in results for name in r[1]], sum(r[2] for r in results)
    passed, failed, skipped = 0, [], 0
    for case in ElementTree.parse(ctest).getroot().iter("testcase"):
        name = case.get("name")
        entry_failed = case.get("status") == "fail" or case.find("failure") is not None
        own = folder / f"{name}.xml"
        if own.exists():
            try:
                case_passed, case_failed, case_skipped = tally(own)
            except ElementTree.ParseError:
                case_passed, case_failed, case_skipped = 0, [], 0
            passed += case_passed
            skipped += case_skipped
            failed += [f"{name}: {test}" for test in case_failed]
            if entry_failed and not case_failed:
                failed.append(f"{name} (the program)")
        elif entry_failed:
            failed.append(name)
        elif case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skipped", type=int, default=0, help="skips that no file tells of")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    passed, failed, skipped = 0, [], arguments.skipped
    for folder in arguments.folders:
        folder_passed, folder_failed, folder_skipped = tally_folder(folder)
        passed += folder_passed
        failed += [f"{folder.parent.name}: {name}" for name in folder_failed]
        skipped += folder_skipped
    for name in failed:
        print(f"FAILED {name}")
    print(f"{passed} passed, {len(failed)} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
