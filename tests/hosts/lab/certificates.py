"""Certificates as a small company has them: an authority of its own, and what can be wrong with what it signs."""

from lab import run

CONFIG = """
[ca]
default_ca = own
[own]
dir = .
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """Its files are in `folder`. Each certificate is NAME.crt with its key NAME.key, both readable for all."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "ca.conf").write_text(CONFIG)
        (folder / "index").write_text("")
        self.certificate = self.self_signed("ca")

    def openssl(self, *words):
        run(["openssl", *words], cwd=self.folder)

    def self_signed(self, name, subject=None, sans="DNS:redis.test"):
        extensions = ["-addext", "keyUsage=critical,keyCertSign" if name == "ca" else f"subjectAltName={sans}"]
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={subject or name}",
                     "-keyout", f"{name}.key", "-out", f"{name}.crt", *extensions)
        return self.folder / f"{name}.crt"

    def sign(self, name, sans="DNS:redis.test", begin="20200101000000Z", end="20491231000000Z"):
        (self.folder / "names").write_text(f"subjectAltName={sans}\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                     "-out", f"{name}.csr")
        self.openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key",
                     "-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", "names",
                     "-startdate", begin, "-enddate", end)
        return self.folder / f"{name}.crt"

    def key(self, name):
        return self.folder / f"{name}.key"

    def settings(self, name="server", clients="no", port=6379):
        """Of a Redis that listens on this port for TLS alone."""
        return {"tls_port": f"{port}\nport 0", "tls_cert_file": self.folder / f"{name}.crt",
                "tls_key_file": self.key(name), "tls_ca_cert_file": self.certificate, "tls_auth_clients": clients}
