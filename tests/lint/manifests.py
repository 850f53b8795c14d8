#!/usr/bin/env python3
"""Checks what `kubectl kustomize k8s/base` printed: the promises about how the relay runs in a cluster.

Usage: manifests.py FILE | --self-test
Text is enough for that: kustomize prints one field a line, and Debian's Python has no YAML.
"""

import re
import sys

WANTED = {
    "a StatefulSet": r"^kind: StatefulSet$",
    "a volume claim": r"^  volumeClaimTemplates:$",
    "a Service of HTTP": r"^  name: hookstream-http$",
    "a Service of gRPC": r"^  name: hookstream-grpc$",
    "a disruption budget": r"^kind: PodDisruptionBudget$",
    "a network policy": r"^kind: NetworkPolicy$",
    "its configuration": r"^  hookstream\.yaml: \|",
    "readiness": r"^ +path: /readyz$",
    "liveness": r"^ +path: /healthz$",
    "never as root": r"^ +runAsNonRoot: true$",
    "its user": r"^ +runAsUser: 10001$",
    "a read-only root": r"^ +readOnlyRootFilesystem: true$",
    "no privilege gained": r"^ +allowPrivilegeEscalation: false$",
    "no capability": r"^ +- ALL$",
    "a seccomp profile": r"^ +type: RuntimeDefault$",
    "a memory limit": r"^ +memory: 2Gi$",
    "keys as files": r"^ +(- )?mountPath: /run/secrets/hookstream$",
    "an image that names no registry": r"^ +(- )?image: hookstream:[\w.]+$",
}
UNWANTED = {
    "a Secret in the base": r"^kind: Secret$",
    "a secret in the configuration": r"\binline:",
    "a privileged container": r"privileged: true",
}


def check(text):
    missing = [f"missing: {what}" for what, pattern in WANTED.items() if not re.search(pattern, text, re.M)]
    return missing + [f"unwanted: {what}" for what, pattern in UNWANTED.items() if re.search(pattern, text, re.M)]


def self_test():
    everything = len(check(""))
    assert everything == len(WANTED), check("")
    assert check("kind: Secret\n")[-1] == "unwanted: a Secret in the base"
    assert len(check("kind: StatefulSet\n")) == everything - 1
    assert "missing: an image that names no registry" in check("        image: registry.example/hookstream:1\n")
    print("planted violations found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: manifests.py FILE | --self-test", file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as manifests:
        violations = check(manifests.read())
    print("\n".join(violations), end="\n" if violations else "")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
