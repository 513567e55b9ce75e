"""Notation, strict CBOR, signatures and the committing AEAD: KE1, KE2, KE6, RC1. Needs `cryptography` 38 or newer."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Refused(Exception):
    """Carries the error code that a vector may expect."""


def need(condition, code):
    if not condition:
        raise Refused(code)


def u64(n):
    return n.to_bytes(8, "big")


def lp(*parts):
    out = b""
    for part in parts:
        data = part.encode("ascii") if isinstance(part, str) else u64(part) if isinstance(part, int) else part
        out += len(data).to_bytes(4, "big") + data
    return out


def H(data):
    return hashlib.sha256(data).digest()


def kdf(ikm, salt, info, length):
    info = info.encode("ascii") if isinstance(info, str) else info
    prk = hmac.new(salt or bytes(64), ikm, hashlib.sha512).digest()
    out, block, n = b"", b"", 0
    while len(out) < length:
        n += 1
        block = hmac.new(prk, block + info + bytes([n]), hashlib.sha512).digest()
        out += block
    return out[:length]


# KE2

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL_Y = {0, 1, PRIME - 1} | {
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
}


def verifies(public_key, message, signature):
    if len(public_key) != 32 or len(signature) != 64:
        return False
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    if y >= PRIME or y in SMALL_Y or int.from_bytes(signature[32:], "little") >= ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def public_key_of(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


# KE6, KE7

def open_sealed(key, label, header, salt, commit, ct):
    okm = kdf(key, salt, lp(label, H(header)), 76)
    need(hmac.compare_digest(okm[44:], commit) and len(ct) >= 16, "cannot-open")
    try:
        return AESGCM(okm[:32]).decrypt(okm[32:44], ct, header)
    except InvalidTag:
        raise Refused("cannot-open") from None


# RC1

class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "malformed")
        self.at += n
        return self.data[self.at - n : self.at]

    def head(self):
        first = self.take(1)[0]
        major, extra = first >> 5, first & 31
        if extra < 24:
            return major, extra, extra
        need(extra < 28, "malformed")
        size = 1 << (extra - 24)
        value = int.from_bytes(self.take(size), "big")
        if major != 7:
            need(value >= (24 if size == 1 else 1 << (4 * size)), "malformed")
        return major, value, extra

    def value(self, depth):
        major, n, extra = self.head()
        if major == 0:
            need(n < 2**53, "malformed")
            return n
        if major == 2:
            return self.take(n)
        if major == 3:
            try:
                return self.take(n).decode("utf-8")
            except UnicodeDecodeError:
                raise Refused("malformed") from None
        if major == 4:
            need(depth < 16, "malformed")
            return [self.value(depth + 1) for _ in range(n)]
        if major == 5:
            need(depth < 16, "malformed")
            out, last = {}, -1
            for _ in range(n):
                kind, key, _extra = self.head()
                need(kind == 0 and last < key < 2**53, "malformed")
                out[key] = self.value(depth + 1)
                last = key
            return out
        need(major == 7 and extra in (20, 21, 22), "malformed")
        return {20: False, 21: True, 22: None}[extra]


def cbor(data, limit=1 << 20):
    need(0 < len(data) <= limit, "malformed")
    reader = _Reader(data)
    value = reader.value(0)
    need(reader.at == len(data), "malformed")
    return value


# Shapes: a field is a function from a decoded value to whether it fits.

def uint(v):
    return isinstance(v, int) and not isinstance(v, bool)


def boolean(v):
    return isinstance(v, bool)


def sized(*lengths):
    return lambda v: isinstance(v, bytes) and len(v) in lengths


def up_to(most):
    return lambda v: isinstance(v, bytes) and len(v) <= most


def one_of(*values):
    return lambda v: uint(v) and v in values


def list_of(field, most):
    return lambda v: isinstance(v, list) and len(v) <= most and all(field(x) for x in v)


def tuple_of(*fields):
    return lambda v: isinstance(v, list) and len(v) == len(fields) and all(f(x) for f, x in zip(fields, v))


def shape(required, optional=None):
    every = {**required, **(optional or {})}

    def fits(v):
        known = isinstance(v, dict) and all(key in every and every[key](x) for key, x in v.items())
        return known and all(key in v for key in required)

    return fits


def parsed(data, limit, fits):
    value = cbor(data, limit)
    need(fits(value), "malformed")
    return value
