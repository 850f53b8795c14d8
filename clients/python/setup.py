"""Generates the stubs from the relay's protos when the package is built.

In the repository the protos are ../../proto; a source distribution carries a copy in ./proto.
"""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE / "src"


def proto_root() -> pathlib.Path:
    for root in (HERE / "proto", HERE.parent.parent / "proto"):
        if (root / "hookstream" / "v1" / "event.proto").exists():
            return root
    raise SystemExit("hookstream's protos were not found beside the package")


def generate() -> None:
    import grpc_tools
    from grpc_tools import protoc

    root = proto_root()
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    files = sorted((root / "hookstream").rglob("*.proto"))
    names = [str(f.relative_to(root)) for f in files]
    services = [n for n in names if n.endswith("_service.proto")]
    base = ["protoc", f"-I{root}", f"-I{well_known}"]
    if protoc.main(base + [f"--python_out={PACKAGE}", f"--pyi_out={PACKAGE}"] + names):
        raise SystemExit("protoc failed")
    if protoc.main(base + [f"--grpc_python_out={PACKAGE}"] + services):
        raise SystemExit("protoc failed on the services")
    # Every folder with stubs is a package.
    for folder in {(PACKAGE / n).parent for n in names}:
        while folder != PACKAGE / "hookstream":
            (folder / "__init__.py").touch()
            folder = folder.parent


class BuildPy(build_py):
    def run(self):
        generate()
        # The packages that were just made have to be found again.
        from setuptools import find_packages

        self.packages = self.distribution.packages = find_packages(str(PACKAGE))
        super().run()


class EditableWheel(editable_wheel):
    def run(self):
        generate()
        super().run()


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        shutil.copytree(proto_root(), pathlib.Path(base_dir) / "proto", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildPy, "editable_wheel": EditableWheel, "sdist": Sdist})
