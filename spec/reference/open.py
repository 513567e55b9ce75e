"""The second program: opens every vector of this project, written from the text of spec/ alone.

    python3 spec/reference/open.py spec/vectors

Prints a line for each vector whose outcome is not the expected one, then `N opened`. Needs Python 3.9 and `cryptography` 38.
Folders named public-… hold the vectors of others, which need no second program.
"""

import hmac
import pathlib
import re
import sys
import unicodedata

from chains import Account, Vault, live, trie_root
from notation import (
    H, Refused, cbor, kdf, lp, need, one_of, open_sealed, parsed, public_key_of, shape, sized, u64, uint, up_to, verifies,
)
from xwing import hpke_open, xwing_keys

SEALED = shape({1: sized(32), 2: sized(32), 3: up_to(1 << 20)})
RECORD = shape({1: up_to(512), 2: sized(32), 3: sized(32), 4: up_to(67_600)})
HEADER = shape({
    1: one_of(1), 2: one_of(1), 3: one_of(1, 2, 3, 4, 5), 4: sized(32), 5: uint, 6: sized(16), 7: uint, 8: sized(32),
    9: sized(16), 10: sized(32),
})
OUTER = shape({1: one_of(1), 2: sized(16), 3: sized(32), 4: sized(32), 5: up_to(1 << 20)})
WRAP = shape({1: sized(16, 32), 2: sized(32), 3: sized(1120), 4: sized(48)})
RESCUE = shape({1: sized(16), 2: sized(32), 3: sized(1120), 4: up_to(4_112)})


class Vector:
    def __init__(self, text):
        lines = text.split("\n")
        self.expect, self.fields = lines[0].split(": ", 1)[1], {}
        for line in lines[2:-1]:
            name, _, value = line.partition(":")
            self.fields[name] = bytes.fromhex(value.strip())

    def __getitem__(self, name):
        return self.fields[name]

    def __contains__(self, name):
        return name in self.fields

    def int(self, name):
        return int.from_bytes(self.fields[name], "big")

    def text(self, name):
        return self.fields[name].decode("utf-8")


def sealed_in(v, header, label):
    sealed = parsed(v["sealed"], 1 << 20, SEALED)
    return open_sealed(v["key"], label, header, sealed[1], sealed[2], sealed[3])


def do_aead(v):
    sealed = parsed(v["sealed"], 1 << 20, SEALED)
    plaintext = sealed_in(v, v["header"], v.text("label"))
    return {"plaintext": plaintext, "hash": H(lp("kf1/sealed", sealed[1], sealed[2], sealed[3]))}


def do_cbor(v):
    cbor(v["bytes"])
    return {}


def padme(length):
    e = length.bit_length() - 1
    last = e - e.bit_length()
    return -(-length >> last) << last


def unpad(padded):
    need(len(padded) >= 512, "malformed")
    length = int.from_bytes(padded[:4], "big")
    need(length <= 65_536 and len(padded) == max(512, padme(4 + length)), "malformed")
    need(not any(padded[4 + length :]), "malformed")
    return padded[4 : 4 + length]


def do_padding(v):
    return {"plaintext": unpad(v["padded"])}


def do_record(v):
    record = parsed(v["record"], 1 << 20, RECORD)
    header = record[1]
    padded = open_sealed(v["key"], "kf1/item", header, record[2], record[3], record[4])
    try:
        fields = parsed(header, 512, HEADER)
        plaintext = unpad(padded)
    except Refused:
        raise Refused("cannot-open") from None
    first = fields[7] == 1
    need(fields[5] > 0 and fields[7] > 0 and first == (fields[10] == bytes(32)), "cannot-open")
    need(fields[4] == v["vid"] and fields[6] == v["item_id"], "cannot-open")
    return {"plaintext": plaintext, "ct_hash": H(lp("kf1/record", header, record[2], record[3], record[4]))}


def do_outer(v):
    row = parsed(v["outer"], 1 << 21, OUTER)
    place = (v["deployment"], v["tenant"], v["purpose"], v["chain_id"], v["record_id"], v.int("rev"), row[2])
    header = lp("kf1/outer-aad", *place)
    return {"plaintext": open_sealed(v["key"], "kf1/outer", header, row[3], row[4], row[5])}


def do_keys(v):
    what = v.text("what")
    if what == "account":
        seed, salt, epoch = v["seed"], v["account_salt"], v.int("epoch")
        kem_seed = kdf(seed, salt, lp("kf1/uk-kem", epoch), 32)
        sym = kdf(seed, salt, lp("kf1/uk-sym", epoch), 32)
        return {"kem_seed": kem_seed, "kem_pk_hash": H(xwing_keys(kem_seed)[0]), "sym": sym}
    if what == "confirm":
        return {"confirm": kdf(v["vault_key"], v["vault_salt"], lp("kf1/vk-confirm", v.int("epoch")), 32)}
    if what == "id":
        return {"id": H(lp("kf1/id", v.int("kind"), v["payload"]))}
    if what == "prf":
        return {"input": H(lp("kf1/prf", v["account_id"], v["slot_id"]))}
    if what == "api":
        return {"seed": kdf(v["secret"], v["cred_id"], "kf1/api-sign", 32)}
    if what == "sk":
        return {"plaintext": sealed_in(v, lp("kf1/sk", v.int("epoch")), "kf1/sk")}
    label = {"prev-account": "kf1/uk-prev", "prev-vault": "kf1/vk-prev"}[what]
    return {"plaintext": sealed_in(v, lp(label, v["id"], v.int("epoch")), label)}


def do_slot(v):
    secret = lp(v["export_key"], v["secret_key"]) if "secret_key" in v else v["secret"]
    seeds = kdf(secret, v["account_salt"], lp("kf1/slot", v.int("kind"), v["slot_id"]), 64)
    kem_seed, sig_seed = seeds[:32], seeds[32:]
    kem_pk_hash = H(xwing_keys(kem_seed)[0])
    return {"kem_seed": kem_seed, "sig_seed": sig_seed, "sig_pk": public_key_of(sig_seed), "kem_pk_hash": kem_pk_hash}


def do_passkey(v):
    value = H(lp("kf1/prf", v["account_id"], v["slot_id"]))
    output = hmac.digest(v["credential_secret"], H(b"WebAuthn PRF\0" + value), "sha256")
    seeds = kdf(output, v["account_salt"], lp("kf1/slot", 4, v["slot_id"]), 64)
    kem_pk_hash = H(xwing_keys(seeds[:32])[0])
    handle = H(lp("kf1/passkey-user", v["account_id"]))
    return {"user_handle": handle, "input": value, "output": output, "sig_pk": public_key_of(seeds[32:]), "kem_pk_hash": kem_pk_hash}


def do_wrap(v):
    entry = parsed(v["entry"], 1_300, WRAP)
    kem_pk_hash = H(xwing_keys(v["kem_seed"])[0])
    need(entry[1] == v["recipient"] and entry[2] == kem_pk_hash, "cannot-open")
    place = (v.int("kind"), v["chain_id"], v.int("epoch"), entry[1], kem_pk_hash, v["by_account"], v["by_holder"])
    aad = lp("kf1/wrap-aad", v["chain_id"], v.int("seq"), v["prev"])
    key = hpke_open(v["kem_seed"], entry[3], lp("kf1/wrap", *place), aad, entry[4])
    need(key is not None, "cannot-open")
    return {"key": key, "wraps_hash": H(lp("kf1/wraps", H(v["entry"]), v["next_entry_hash"]))}


def do_rescue(v):
    box = parsed(v["box"], 1 << 16, RESCUE)
    kem_pk_hash = H(xwing_keys(v["kem_seed"])[0])
    need(box[1] == v["slot_id"] and box[2] == kem_pk_hash, "cannot-open")
    info = lp("kf1/rescue", v["account_id"], v["device_id"], v["slot_id"], kem_pk_hash)
    local_keys = hpke_open(v["kem_seed"], box[3], info, b"", box[4])
    need(local_keys is not None, "cannot-open")
    return {"local_keys": local_keys}


CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def crockford(data):
    bits = int.from_bytes(data, "big")
    return "".join(CROCKFORD[(bits >> (5 * i)) & 31] for i in reversed(range(len(data) * 8 // 5)))


def check_of(code):
    first = int.from_bytes(H(lp("kf1/kit-check", code))[:3], "big") >> 4
    return "".join(CROCKFORD[(first >> shift) & 31] for shift in (15, 10, 5, 0))


def do_kit(v):
    plain = re.sub(r"[\s\-\u2010-\u2015\u2212]", "", v.text("typed"))
    need(re.fullmatch(r"[0-9A-TV-Za-tv-z]*", plain), "bad-character")
    plain = plain.upper().replace("O", "0").replace("I", "1").replace("L", "1")
    if len(plain) == 39 and plain.startswith("KF1"):
        plain = plain[3:]
    need(len(plain) == 36, "wrong-length")
    number = 0
    for character in plain[:32]:
        number = number * 32 + CROCKFORD.index(character)
    code = number.to_bytes(20, "big")
    need(plain[32:] == check_of(code), "check-failed")
    whole = crockford(code) + check_of(code)
    printed = "-".join(["KF1"] + [whole[i : i + 4] for i in range(0, 36, 4)])
    rec_seed = kdf(code, b"", lp("kf1/recovery-auth"), 32)
    secret_key = kdf(code, v["account_salt"], lp("kf1/secret-key"), 16)
    return {"code": code, "printed": printed.encode(), "secret_key": secret_key, "rec_pk": public_key_of(rec_seed)}


def do_lease(v):
    account, device, lease, d = v["account_id"], v["device_id"], v["lease_id"], v["d"]
    return {
        "x": kdf(lp(v["u_on"], d), v["salt_on"], lp("kf1/lease-in", account, device), 32),
        "k_on": kdf(lp(v["y"], v["u_on"], d), v["salt_on"], lp("kf1/unlock", account, device, lease), 32),
        "k_off": kdf(lp(v["u_off"], d), v["salt_off"], lp("kf1/offline", account, device, lease), 32),
    }


def do_session(v):
    if "address" in v:
        address = unicodedata.normalize("NFKC", v.text("address")).lower().encode()
        mac = bytearray(hmac.new(v["enumeration_key"], address, "sha256").digest()[:16])
        mac[6], mac[8] = mac[6] & 0x0F | 0x40, mac[8] & 0x3F | 0x80
        h = mac.hex()
        return {"account": "-".join([h[:8], h[8:12], h[12:16], h[16:20], h[20:]]).encode()}
    binding = kdf(v["session_key"], b"", "kf1/session", 32)
    return {"binding": binding, "finish_code": hmac.new(binding, lp("kf1/finish", v["auth_pk"]), "sha256").digest()}


WORDS = (pathlib.Path(__file__).parent.parent / "words.txt").read_text().split()


def words_of(digest, count):
    bits = int.from_bytes(digest, "big")
    return " ".join(WORDS[(bits >> (256 - 10 * (i + 1))) & 1023] for i in range(count)).encode()


def do_approval(v):
    keys = lp(v["sig_pk"], v["kem_pk"], v["auth_pk"])
    parts = (v["account_id"], keys, v["approver"], v["nonce_approver"], v["nonce_new"], v["head"])
    digits = f"{int.from_bytes(v['account_id'], 'big') % 10**30:030d}"
    return {
        "keys_hash": H(keys),
        "commit": H(lp("kf1/sas-commit", keys, v["nonce_new"])),
        "words": words_of(H(lp("kf1/sas", *parts)), 3),
        "reply_words": words_of(H(lp("kf1/sas-reply", *parts)), 2),
        "transcript": H(lp("kf1/sas-transcript", *parts)),
        "server_words": words_of(H(lp("kf1/server-words", v["server_pk"])), 4),
        "digits": " ".join(digits[i : i + 5] for i in range(0, 30, 5)).encode(),
    }


def do_signature(v):
    what = v.text("what")
    label = f"kf1/{what}"
    if what == "raw":
        message = v["message"]
    elif what in ("link", "pop"):
        message = lp(label, v["payload"])
    elif what == "retire":
        message = lp(label, v["account_id"], v["device_id"], v.int("seq"), v["head"])
    else:
        message = lp(label, v["device_id"], v["lease_id"], v.int("attempt"))
    need(verifies(v["public_key"], message, v["signature"]), "refused")
    return {}


def do_trie(v):
    leaves, data = {}, v["leaves"]
    for at in range(0, len(data), 65):
        leaf = data[at : at + 65]
        number = lambda start: int.from_bytes(leaf[start : start + 8], "big")
        leaves[leaf[:16]] = (number(16), number(24), leaf[32:64], leaf[64] == 1)
    return {"root": trie_root(leaves), "count": u64(live(leaves))}


def do_link(v):
    account = Account()
    numbered = lambda prefix: [v[f"{prefix}_{n}"] for n in range(1, 1_000) if f"{prefix}_{n}" in v]
    for link in numbered("account"):
        account.extend(link)
    said = {"account_id": account.id, "account_head": account.hashes[-1], "active_holders": u64(len(account.active()))}
    vault = Vault(account)
    for link in numbered("vault"):
        vault.extend(link)
    if vault.id is None:
        return said
    return {**said, "vault_id": vault.id, "vault_head": vault.head, "root": vault.root, "count": u64(vault.count)}


TOPICS = {name[3:]: check for name, check in list(globals().items()) if name.startswith("do_")}


def outcome_of(topic, v):
    try:
        computed = TOPICS[topic](v)
    except Refused as refused:
        return str(refused)
    for name, value in computed.items():
        if v[name] != value:
            return f"differs: {name}"
    return "ok"


def main(root):
    opened = 0
    for path in sorted(pathlib.Path(root).glob("*/*.txt")):
        topic = path.parent.name
        if topic.startswith("public-"):
            continue
        v = Vector(path.read_text(encoding="utf-8"))
        outcome = outcome_of(topic, v) if topic in TOPICS else "no reader for this topic"
        if outcome == v.expect:
            opened += 1
        else:
            print(f"{topic}/{path.name}: expected {v.expect}, got {outcome}")
    print(f"{opened} opened")


main(sys.argv[1])
