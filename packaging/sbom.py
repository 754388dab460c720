"""The SBOM of a release, SPDX 2.3 in JSON: what is linked into the self-contained program, and what the Debian package's
program is linked with, as the packages of this machine have them. sbom.py VERSION PROGRAM TARBALL DEB"""

import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

# By Debian's source packages, whose copyright files are not written for machines. A library without a row stops the
# release: somebody has to read its licence.
LICENCES = {
    "cli11": "BSD-3-Clause",
    "fmtlib": "MIT",
    "gcc-12": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "gcc-14": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "glibc": "LGPL-2.1-or-later",
    "hiredis": "BSD-3-Clause",
    "libmnl": "LGPL-2.1-or-later",
    "mariadb": "LGPL-2.1-or-later",
    "nlohmann-json3": "MIT",
    "openssl": "Apache-2.0",
}
HEADERS = ["libcli11-dev", "nlohmann-json3-dev"]  # they are in both programs, and no library is
ARCHIVES = ["libc6-dev", "libfmt-dev", "libhiredis-dev"]  # the self-contained program's


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def package_of(file):
    """The package that a file came with. dpkg knows one of a merged /usr by either of its names."""
    real = os.path.realpath(file)
    for name in (file, real, real.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise SystemExit(f"sbom: no package has {file}")


def shared_libraries(program):
    """The packages of the libraries that the program names itself; theirs are their packages' matter."""
    needed = re.findall(r"NEEDED +(\S+)", output("objdump", "-p", program))
    paths = dict(re.findall(r"^\s*(\S+) => (/\S+)", output("ldd", program), re.M))
    return sorted({package_of(paths[name]) for name in needed if name in paths})


def archives():
    gcc = [package_of(output("g++", f"-print-file-name={name}").strip()) for name in ("libstdc++.a", "libgcc.a")]
    return sorted({*ARCHIVES, *gcc})


def spdx_id(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def library(name):
    fields = ["Version", "source:Package", "source:Version", "Maintainer", "Homepage", "Architecture"]
    text = output("dpkg-query", "-W", "-f", "".join(f"${{{field}}}\n" for field in fields), name)
    version, source, source_version, maintainer, homepage, architecture = text.split("\n")[:6]
    if source not in LICENCES:
        raise SystemExit(f"sbom: the licence of {source} is not known")
    return {
        "SPDXID": spdx_id("Package", name),
        "name": name,
        "versionInfo": version,
        "supplier": "Organization: " + maintainer.replace("<", "(").replace(">", ")"),
        "downloadLocation": "NOASSERTION",
        "homepage": homepage or "NOASSERTION",
        "sourceInfo": f"Debian source package {source} {source_version}",
        "filesAnalyzed": False,
        "licenseConcluded": LICENCES[source],
        "licenseDeclared": LICENCES[source],
        "licenseComments": f"from /usr/share/doc/{name}/copyright",
        "copyrightText": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}",
        }],
    }


def artifact(file, version):
    return {
        "SPDXID": spdx_id("File", file.name),
        "name": file.name,
        "packageFileName": file.name,
        "versionInfo": version,
        "supplier": "Organization: connleak maintainers",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "2026 the authors of connleak",
        "checksums": [{"algorithm": "SHA256", "checksumValue": hashlib.sha256(file.read_bytes()).hexdigest()}],
        "primaryPackagePurpose": "APPLICATION",
    }


def document(version, program, tarball, package):
    linked = {tarball: ("STATIC_LINK", archives()), package: ("DYNAMIC_LINK", shared_libraries(program))}
    relations = []
    for file, (how, names) in linked.items():
        own = spdx_id("File", file.name)
        relations.append(("SPDXRef-DOCUMENT", "DESCRIBES", own))
        relations += [(own, how, spdx_id("Package", name)) for name in names]
        relations += [(own, "STATIC_LINK", spdx_id("Package", name)) for name in HEADERS]
    names = sorted({*HEADERS, *(name for _, of in linked.values() for name in of)})
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    digest = hashlib.sha256(tarball.read_bytes() + package.read_bytes()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"connleak-{version}",
        "documentNamespace": f"https://connleak.example/spdx/connleak-{version}-{digest}",
        "creationInfo": {"created": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Organization: connleak maintainers", f"Tool: connleak-sbom-{version}"]},
        "packages": [artifact(file, version) for file in linked] + [library(name) for name in names],
        "relationships": [{"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}
                          for one, how, other in relations],
    }


if __name__ == "__main__":
    number, binary, *files = sys.argv[1:]
    json.dump(document(number, binary, *map(Path, files)), sys.stdout, indent=2)
    print()
