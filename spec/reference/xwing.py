"""X-Wing (KE3) and HPKE base mode (KE11), from FIPS 203, the X-Wing draft and RFC 9180; no library but X25519 and AES-GCM."""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Q, K, ETA, DU, DV = 3329, 3, 2, 10, 4


def bit_reversed(i):
    return int(f"{i:07b}"[::-1], 2)


ZETAS = [pow(17, bit_reversed(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * bit_reversed(i) + 1, Q) for i in range(128)]


def ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta, i = ZETAS[i], i + 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j], f[j + length] = (f[j] + t) % Q, (f[j] - t) % Q
        length //= 2
    return f


def inverse_ntt(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta, i = ZETAS[i], i - 1
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, zeta * (f[j + length] - t) % Q
        length *= 2
    return [x * 3303 % Q for x in f]


def multiply(f, g):
    out = [0] * 256
    for i in range(128):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        out[2 * i] = (a0 * b0 + a1 * b1 * GAMMAS[i]) % Q
        out[2 * i + 1] = (a0 * b1 + a1 * b0) % Q
    return out


def add(*polynomials):
    return [sum(column) % Q for column in zip(*polynomials)]


def dot(f, g):
    return add(*(multiply(a, b) for a, b in zip(f, g)))


def encode(d, f):
    bits = sum((x << (d * i)) for i, x in enumerate(f))
    return bits.to_bytes(32 * d, "little")


def decode(d, data):
    bits = int.from_bytes(data, "little")
    return [(bits >> (d * i)) & ((1 << d) - 1) for i in range(256)]


def compress(d, f):
    return [((x << (d + 1)) + Q) // (2 * Q) % (1 << d) for x in f]


def decompress(d, f):
    return [(x * Q * 2 + (1 << d)) >> (d + 1) for x in f]


def sample_ntt(seed):
    stream, out = hashlib.shake_128(seed).digest(3 * 672), []
    for i in range(0, len(stream), 3):
        c = stream[i : i + 3]
        for d in (c[0] + 256 * (c[1] % 16), c[1] // 16 + 16 * c[2]):
            if d < Q and len(out) < 256:
                out.append(d)
    return out


def sample_cbd(seed, n):
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([n])).digest(64 * ETA), "little")
    bit = lambda i: (bits >> i) & 1
    return [(bit(4 * i) + bit(4 * i + 1) - bit(4 * i + 2) - bit(4 * i + 3)) % Q for i in range(256)]


def matrix(rho):
    return [[sample_ntt(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


def mlkem_keys(seed):
    d, z = seed[:32], seed[32:]
    g = hashlib.sha3_512(d + bytes([K])).digest()
    rho, sigma = g[:32], g[32:]
    s = [ntt(sample_cbd(sigma, i)) for i in range(K)]
    e = [ntt(sample_cbd(sigma, K + i)) for i in range(K)]
    t = [add(dot(row, s), e[i]) for i, row in enumerate(matrix(rho))]
    return b"".join(encode(12, x) for x in t) + rho, (s, z)


def encrypt(public, message, coins):
    t = [decode(12, public[384 * i : 384 * (i + 1)]) for i in range(K)]
    a = matrix(public[384 * K :])
    y = [ntt(sample_cbd(coins, i)) for i in range(K)]
    e1 = [sample_cbd(coins, K + i) for i in range(K)]
    u = [add(inverse_ntt(dot([a[j][i] for j in range(K)], y)), e1[i]) for i in range(K)]
    v = add(inverse_ntt(dot(t, y)), sample_cbd(coins, 2 * K), decompress(1, decode(1, message)))
    return b"".join(encode(DU, compress(DU, x)) for x in u) + encode(DV, compress(DV, v))


def mlkem_open(public, private, ct):
    s, z = private
    u = [ntt(decompress(DU, decode(DU, ct[320 * i : 320 * (i + 1)]))) for i in range(K)]
    v = decompress(DV, decode(DV, ct[320 * K :]))
    w = [(a - b) % Q for a, b in zip(v, inverse_ntt(dot(s, u)))]
    message = encode(1, compress(1, w))
    g = hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest()
    if encrypt(public, message, g[32:]) != ct:
        return hashlib.shake_256(z + ct).digest(32)
    return g[:32]


def xwing_keys(seed):
    expanded = hashlib.shake_256(seed).digest(96)
    public_m, private_m = mlkem_keys(expanded[:64])
    private_x = X25519PrivateKey.from_private_bytes(expanded[64:])
    public_x = private_x.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return public_m + public_x, (private_m, private_x)


def xwing_open(seed, enc):
    public, (private_m, private_x) = xwing_keys(seed)
    ct_m, ct_x = enc[:1088], enc[1088:]
    ss_m = mlkem_open(public[:1184], private_m, ct_m)
    ss_x = private_x.exchange(X25519PublicKey.from_public_bytes(ct_x))
    return hashlib.sha3_256(ss_m + ss_x + ct_x + public[1184:] + b"\\.//^\\").digest()


SUITE_ID = b"HPKE" + bytes.fromhex("647a00010002")


def extract(salt, label, ikm):
    return hmac.new(salt or bytes(32), b"HPKE-v1" + SUITE_ID + label + ikm, hashlib.sha256).digest()


def expand(prk, label, info, length):
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE_ID + label + info
    return hmac.new(prk, labeled + b"\x01", hashlib.sha256).digest()[:length]


def hpke_open(seed, enc, info, aad, ct):
    """The plaintext, or None. Every length that is needed is at most one block of SHA-256."""
    shared = xwing_open(seed, enc)
    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    key, nonce = expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
    try:
        return AESGCM(key).decrypt(nonce, ct, aad)
    except InvalidTag:
        return None
