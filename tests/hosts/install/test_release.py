"""What a release publishes: packaging/release, run on what `./dev package` and `./dev dist` have left."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from report import BINARY, ROOT
from roots import built, run

VERSION = re.search(r"project\(connleak VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
DATE = 1_700_000_000


def test_one_version_everywhere():
    for page in (ROOT / "man").glob("*.[1-9]"):
        assert f"\n.Os connleak {VERSION}\n" in page.read_text(), page
    assert re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == VERSION
    assert (ROOT / "packaging/debian/changelog").read_text().startswith(f"connleak ({VERSION}-1) ")


def test_the_program_is_small_and_its_symbols_are_beside_it():
    symbols = BINARY.with_name("connleak.debug")
    if not symbols.exists():
        pytest.skip(f"{BINARY} is of a build that keeps its symbols inside")
    assert BINARY.stat().st_size < 8 << 20
    assert "no symbols" in subprocess.run(["nm", BINARY], capture_output=True, text=True).stderr
    sections = run("readelf", "--wide", "--sections", symbols)
    assert ".debug_line" in sections and ".symtab" in sections
    assert build_id(BINARY) == build_id(symbols)
    assert "connleak.debug" in run("readelf", "--string-dump=.gnu_debuglink", BINARY)


def build_id(program):
    return re.search(r"Build ID: (\w+)", run("readelf", "--notes", program))[1]


@pytest.fixture(scope="module")
def published():
    built("package/connleak_*.deb", "package")
    built("dist/connleak-*.tar.gz", "dist")
    if not BINARY.with_name("connleak-static.debug").exists():
        pytest.skip(f"{BINARY.parent} has not made the self-contained program")

    def publish():
        run(ROOT / "packaging/release", BINARY.parent, VERSION, env={**os.environ, "SOURCE_DATE_EPOCH": str(DATE)})
        return {file.name: file.read_bytes() for file in (ROOT / "build/publish").iterdir()}

    first, second = publish(), publish()
    assert first == second
    return first


def test_checksums(published):
    lines = dict(reversed(line.split("  ")) for line in published["SHA256SUMS"].decode().splitlines())
    assert set(lines) == set(published) - {"SHA256SUMS"} and len(lines) == 4
    for name, digest in lines.items():
        assert hashlib.sha256(published[name]).hexdigest() == digest, name


def test_symbols_of_both_programs(published, tmp_path):
    name, = (name for name in published if "symbols" in name)
    (tmp_path / name).write_bytes(published[name])
    with tarfile.open(tmp_path / name) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        assert {member.mtime for member in archive} == {DATE}
    ids = [build_id(BINARY.with_name(program)) for program in ("connleak", "connleak-static")]
    assert names == {f"usr/lib/debug/.build-id/{one[:2]}/{one[2:]}.debug" for one in ids}


def test_sbom(published):
    """What SPDX 2.3 requires of a document, a package and a relationship, and that nothing is left out."""
    sbom = json.loads(published[f"connleak-{VERSION}.spdx.json"])
    assert sbom["spdxVersion"] == "SPDX-2.3" and sbom["dataLicense"] == "CC0-1.0" and sbom["SPDXID"] == "SPDXRef-DOCUMENT"
    assert sbom["name"] and re.match(r"https://[^#]+$", sbom["documentNamespace"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sbom["creationInfo"]["created"])
    assert all(re.match("(Tool|Organization|Person): .", one) for one in sbom["creationInfo"]["creators"])
    packages = {package["SPDXID"]: package for package in sbom["packages"]}
    assert len(packages) == len(sbom["packages"])
    for one, package in packages.items():
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one)
        for field in ("name", "versionInfo", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"):
            assert package[field], (one, field)
        assert re.match("(Organization|Person): .", package["supplier"]), one
        assert package["filesAnalyzed"] is False and package["licenseDeclared"] != "NOASSERTION"
        for reference in package.get("externalRefs", []):
            assert reference["referenceType"] == "purl" and reference["referenceLocator"].startswith("pkg:deb/debian/")
    relations = [(row["spdxElementId"], row["relationshipType"], row["relatedSpdxElement"]) for row in sbom["relationships"]]
    assert {end for row in relations for end in (row[0], row[2])} == {*packages, "SPDXRef-DOCUMENT"}
    programs = [packages[other] for _, how, other in relations if how == "DESCRIBES"]
    for program in programs:
        digest = hashlib.sha256(published[program["packageFileName"]]).hexdigest()
        assert program["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    linked = {how: {packages[other]["name"] for _, kind, other in relations if kind == how}
              for how in ("STATIC_LINK", "DYNAMIC_LINK")}
    needed = re.findall(r"NEEDED +lib(\w+)", run("objdump", "-p", BINARY))
    for library in set(needed) - {"m"}:  # libm is the C library's
        name = {"c": "libc6", "stdc": "libstdc"}.get(library, f"lib{library}")
        assert any(one.startswith(name.replace("_", "-")) for one in linked["DYNAMIC_LINK"]), (library, linked)
    assert {"libc6-dev", "libfmt-dev", "libhiredis-dev", "libcli11-dev", "nlohmann-json3-dev"} <= linked["STATIC_LINK"]


def test_licences_of_what_is_linked_into_the_program():
    with tarfile.open(built("dist/connleak-*.tar.gz", "dist")) as archive:
        for member in archive:
            assert (member.uid, member.gid) == (0, 0) and member.mode & 0o022 == 0, member.name
            if Path(member.name).parent.name == "licences":
                assert archive.extractfile(member).read(), member.name
