"""Makes what the mail tests need of keys, in the folder that is given: `server.pem` (a certificate for 127.0.0.1 with its key),
signed by `authority.pem`; `rsa.pem` and `ed25519.pem`, private keys for DKIM, each with its DNS record in `.txt`."""

import base64
import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

folder = pathlib.Path(sys.argv[1])


def private(key):
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, kind, serialization.NoEncryption())


def certificate(name, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def common_name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


authority, authority_key = common_name("Test authority"), ec.generate_private_key(ec.SECP256R1())
is_authority = x509.BasicConstraints(ca=True, path_length=None)
signed = certificate(authority, authority_key, authority, authority_key, [(is_authority, True)])
(folder / "authority.pem").write_bytes(signed)
server_key = ec.generate_private_key(ec.SECP256R1())
names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
signed = certificate(common_name("mail"), server_key, authority, authority_key, [(names, False), (usage, False)])
(folder / "server.pem").write_bytes(signed + private(server_key))

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
(folder / "rsa.pem").write_bytes(private(key))
(folder / "rsa.txt").write_text(f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}")
key = ed25519.Ed25519PrivateKey.generate()
public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
(folder / "ed25519.pem").write_bytes(private(key))
(folder / "ed25519.txt").write_text(f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}")
