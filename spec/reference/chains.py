"""Links, account and vault chains, the trie: CH1 to CH42, as far as the vectors go. Types of links that no vector has are
answered with `link-type-unknown`."""

from notation import (
    H, Refused, boolean, cbor, list_of, lp, need, one_of, shape, sized, tuple_of, uint, up_to, verifies,
)

ZERO = bytes(32)
MAX_LINK = 256 * 1024
EMPTY_ROOT = H(lp("kf1/empty"))

HEAD = tuple_of(uint, sized(32))
LINK = shape({1: up_to(MAX_LINK), 2: sized(64)}, {3: list_of(tuple_of(sized(16), sized(64)), 16)})
PAYLOAD = shape({
    1: one_of(1), 2: uint, 3: one_of(1, 2, 3), 4: sized(32), 5: uint, 6: sized(32), 7: uint, 8: lambda v: True, 9: sized(32),
    10: sized(16), 11: list_of(tuple_of(sized(32), uint, sized(32)), 256), 12: uint, 13: HEAD,
})
HOLDER = shape(
    {1: sized(16), 2: one_of(1, 2, 3, 4), 3: sized(32), 4: sized(1216)},
    {5: sized(32), 6: sized(32), 7: sized(16), 8: sized(32)},
)
KEY_EPOCH = shape({1: uint, 2: sized(1216), 3: sized(32)}, {4: sized(32)})
ACCOUNT_GENESIS = shape({1: list_of(HOLDER, 3), 2: KEY_EPOCH, 3: uint, 4: sized(32), 5: up_to(256)})
HOLDER_ADD = shape({1: HOLDER, 2: one_of(1, 2, 3), 3: sized(32), 4: sized(32)})
RETIRED = list_of(tuple_of(sized(16), uint, sized(32), sized(64)), 64)
HOLDER_REMOVE = shape({1: list_of(sized(16), 64), 2: one_of(1, 2, 3, 4), 3: KEY_EPOCH, 4: up_to(256), 5: RETIRED})
VAULT_EPOCH = shape(
    {1: uint, 2: list_of(tuple_of(sized(32), uint, sized(32)), 256), 3: sized(32), 4: sized(32)}, {5: sized(32)}
)
VAULT_GENESIS = shape(
    {1: one_of(1, 2), 2: sized(32), 3: sized(32), 4: VAULT_EPOCH, 5: sized(32), 6: uint}, {7: sized(32)}
)
ROTATE = shape({1: VAULT_EPOCH, 2: one_of(1, 2, 3), 3: sized(32), 4: uint})
OP = tuple_of(one_of(1, 2), sized(16), uint, uint, sized(32), uint)
ITEMS = shape({1: list_of(OP, 1000), 2: sized(32), 3: uint})

DEVICE, PASSWORD, RECOVERY, PASSKEY = 1, 2, 3, 4


def ascending(ids):
    return all(a < b for a, b in zip(ids, ids[1:]))


def open_link(data):
    try:
        link = cbor(data, MAX_LINK)
        need(LINK(link), "malformed")
        payload = cbor(link[1], MAX_LINK)
        need(PAYLOAD(payload), "malformed")
    except Refused:
        raise Refused("chain-malformed") from None
    counter = link.get(3, [])
    need(ascending([c[0] for c in counter]) and payload[5] > 0, "chain-malformed")
    return link, payload


def body_of(payload, fits):
    need(fits(payload[8]), "chain-malformed")
    return payload[8]


def check_suite(suite):
    need(suite == 1, "suite-unknown")


def check_countersigned(link, holders):
    given = dict((c[0], c[1]) for c in link.get(3, []))
    names = {holder[1] for holder in holders}
    need(set(given) == names, "proof-of-possession-missing")
    for holder in holders:
        signed = verifies(holder[3], lp("kf1/pop", link[1]), given[holder[1]])
        need(signed, "proof-of-possession-missing")


def check_signed(link, holder):
    need(verifies(holder[3], lp("kf1/link", link[1]), link[2]), "chain-signature-invalid")


def check_holder_shape(holder):
    has = {key for key in (5, 6, 7, 8) if key in holder}
    wanted = {DEVICE: {5, 6, 7}, RECOVERY: {8}}.get(holder[2], set())
    need(has == wanted, "chain-malformed")


def names_of(holder):
    """Everything that must never come back (CH18). All Ed25519 keys are one pool."""
    pools = {1: "id", 3: "ed25519", 4: "kem", 5: "ed25519", 6: "lease", 7: "lease id", 8: "ed25519"}
    return [(pool, holder[key]) for key, pool in pools.items() if key in holder]


class Account:
    def __init__(self):
        self.id, self.hashes, self.used = None, [], set()
        self.holders, self.added, self.removed = {}, {}, {}
        self.keys = []  # (since seq, key epoch)

    def active_at(self, holder_id, seq):
        since, until = self.added.get(holder_id), self.removed.get(holder_id)
        return since is not None and since <= seq and (until is None or until > seq)

    def active(self):
        return [holder for name, holder in self.holders.items() if name not in self.removed]

    def take(self, holders, seq):
        for holder in holders:
            check_holder_shape(holder)
        for holder in holders:
            for name in names_of(holder):
                need(name not in self.used, "holder-reused")
                self.used.add(name)
        return holders

    def enter(self, holders, seq):
        for holder in holders:
            self.holders[holder[1]], self.added[holder[1]] = holder, seq

    def new_key(self, key, seq):
        need(key[1] == len(self.keys) + 1, "epoch-wrong")
        need((4 in key) == (key[1] > 1), "chain-malformed")
        need(("kem", key[2]) not in self.used, "chain-malformed")
        self.used.add(("kem", key[2]))
        self.keys.append((seq, key))

    def key_at(self, seq):
        return [key for since, key in self.keys if since <= seq][-1]

    def extend(self, data):
        link, payload = open_link(data)
        check_suite(payload[2])
        (self.follow if self.hashes else self.begin)(link, payload)
        self.hashes.append(H(link[1]))

    def begin(self, link, payload):
        need(payload[5] == 1, "chain-out-of-order")
        need(payload[3] == 1, "chain-wrong-id")
        zeros = [payload[4], payload[6], payload[9], payload[13][1]] == [ZERO] * 4
        need(payload[7] == 1 and zeros and payload[13][0] == 0 and payload[11] == [], "chain-malformed")
        body = body_of(payload, ACCOUNT_GENESIS)
        holders = body[1]
        need([holder[2] for holder in holders] == [DEVICE, PASSWORD, RECOVERY], "chain-malformed")
        self.take(holders, 1)
        need(payload[10] == holders[0][1], "signer-not-active")
        check_signed(link, holders[0])
        check_countersigned(link, holders)
        self.enter(holders, 1)
        self.new_key(body[2], 1)
        need(body[3] == 1, "suite-unknown")
        need(any(body[5]), "chain-malformed")
        self.id = H(lp("kf1/id", 1, link[1]))

    def follow(self, link, payload):
        seq, head = len(self.hashes), self.hashes[-1]
        need(payload[3] == 1 and payload[4] == self.id, "chain-wrong-id")
        need(payload[5] == seq + 1 and payload[6] == head, "chain-out-of-order")
        need(payload[13] == [seq, head], "authority-wrong")
        need(ascending([s[0] for s in payload[11]]) and [self.id, seq, head] in payload[11], "seen-wrong")
        need(payload[9] == self.id, "not-allowed")
        need(self.active_at(payload[10], seq), "signer-not-active")
        signer = self.holders[payload[10]]
        check_signed(link, signer)
        kind = payload[7]
        need(kind in (2, 3), "link-type-unknown")
        (self.add if kind == 2 else self.remove)(link, payload, signer)
        kinds = [holder[2] for holder in self.active()]
        need(kinds.count(RECOVERY) == 1, "last-recovery-holder")
        need(kinds.count(PASSWORD) == 1, "not-allowed")

    def add(self, link, payload, signer):
        how = {DEVICE: 1, PASSWORD: 2, PASSKEY: 3}.get(signer[2])
        need(how is not None, "not-allowed")
        body = body_of(payload, HOLDER_ADD)
        holder = body[1]
        need(body[2] == how, "not-allowed")
        need(holder[2] == DEVICE or (how == 1 and holder[2] == PASSKEY), "not-allowed")
        approval = how == 1 and holder[2] == DEVICE
        need(approval == (body[3] != ZERO), "chain-malformed")
        self.take([holder], payload[5])
        check_countersigned(link, [holder])
        self.enter([holder], payload[5])

    def remove(self, link, payload, signer):
        need(signer[2] == DEVICE, "not-allowed")
        body = body_of(payload, HOLDER_REMOVE)
        ids = body[1]
        need(ids and len(set(ids)) == len(ids), "chain-malformed")
        for name in ids:
            need(name in self.holders and name not in self.removed and name != signer[1], "not-allowed")
            need(self.holders[name][2] != RECOVERY, "last-recovery-holder")
            need(self.holders[name][2] != PASSWORD, "not-allowed")
        self.check_retired(body)
        need(3 not in link, "chain-malformed")
        self.new_key(body[3], payload[5])
        need(any(body[4]), "chain-malformed")
        for name in ids:
            self.removed[name] = payload[5]

    def check_retired(self, body):
        retired = body[5]
        need(ascending([r[0] for r in retired]) and all(r[0] in body[1] for r in retired), "chain-malformed")
        for device, seq, head, signature in retired:
            known = 0 < seq <= len(self.hashes) and self.hashes[seq - 1] == head
            message = lp("kf1/retire", self.id, device, seq, head)
            need(known and verifies(self.holders[device][3], message, signature), "chain-signature-invalid")
        need(body[2] != 1 or len(retired) == len(body[1]), "not-allowed")


class Vault:
    def __init__(self, account):
        self.account, self.id, self.seq, self.head, self.authority = account, None, 0, None, None
        self.epoch, self.root, self.count, self.floor, self.leaves = 0, EMPTY_ROOT, 0, 0, {}

    def extend(self, data):
        link, payload = open_link(data)
        need(3 not in link, "chain-malformed")
        if self.id is None:
            need(payload[3] == 3, "chain-wrong-id")
            need(payload[5] == 1, "chain-out-of-order")
            zeros = [payload[4], payload[6], payload[13][1]] == [ZERO] * 3
            need(zeros and payload[13][0] == 0 and payload[7] == 1, "chain-malformed")
        else:
            need(payload[3] == 3 and payload[4] == self.id, "chain-wrong-id")
            need(payload[5] == self.seq + 1 and payload[6] == self.head, "chain-out-of-order")
            need(payload[13] == self.authority, "authority-wrong")
        seen = self.check_signer(link, payload)
        kind = payload[7]
        need(kind in ((1,) if self.id is None else (3, 4)), "chain-malformed" if kind == 1 else "link-type-unknown")
        {1: self.begin, 3: self.rotate, 4: self.items}[kind](payload, seen)
        self.seq, self.head = payload[5], H(link[1])
        if kind == 1:
            self.id = H(lp("kf1/id", 3, link[1]))
        if kind != 4:
            self.authority, self.floor = [self.seq, self.head], seen

    def check_signer(self, link, payload):
        account = self.account
        need(payload[9] == account.id, "not-allowed")
        own = [s for s in payload[11] if s[0] == account.id]
        need(own and own[0][1] > 0 and ascending([s[0] for s in payload[11]]), "seen-wrong")
        seen, seen_hash = own[0][1], own[0][2]
        need(seen <= len(account.hashes), "account-behind")
        need(account.hashes[seen - 1] == seen_hash, "seen-wrong")
        check_suite(payload[2])
        need(seen >= self.floor, "signer-below-floor")
        need(account.active_at(payload[10], seen), "signer-not-active")
        signer = account.holders[payload[10]]
        need(signer[2] == DEVICE, "not-allowed")
        check_signed(link, signer)
        return seen

    def new_epoch(self, epoch, seen):
        need(epoch[1] == self.epoch + 1, "epoch-wrong")
        need((5 in epoch) == (epoch[1] > 1), "chain-malformed")
        key = self.account.key_at(seen)
        need(epoch[2] == [[self.account.id, key[1], H(key[2])]], "recipients-wrong")
        self.epoch = epoch[1]

    def begin(self, payload, seen):
        body = body_of(payload, VAULT_GENESIS)
        need(body[1] == 1, "link-type-unknown")
        need(7 not in body, "chain-malformed")
        need(body[2] == self.account.id, "not-allowed")
        self.new_epoch(body[4], seen)
        need(body[5] == EMPTY_ROOT and body[6] == 0, "root-mismatch")

    def rotate(self, payload, seen):
        body = body_of(payload, ROTATE)
        self.new_epoch(body[1], seen)
        need(body[3] == self.root and body[4] == self.count, "root-mismatch")

    def items(self, payload, seen):
        body = body_of(payload, ITEMS)
        ops = body[1]
        need(ops and len({op[1] for op in ops}) == len(ops), "chain-malformed")
        for kind, _item, rev, epoch, ct_hash, size in ops:
            need(epoch == self.epoch, "epoch-stale")
            gone = kind == 2
            need(rev > 0 and gone == (ct_hash == ZERO) and gone == (size == 0), "chain-malformed")
        leaves = dict(self.leaves)
        for kind, item, rev, epoch, ct_hash, _size in ops:
            before = leaves.get(item)
            need(rev == (before[0] if before else 0) + 1, "rev-wrong")
            need(kind == 1 or (before and not before[3]), "rev-wrong")
            leaves[item] = (rev, epoch, ct_hash, kind == 2)
        root, count = trie_root(leaves), live(leaves)
        need(root == body[2] and count == body[3], "root-mismatch")
        self.leaves, self.root, self.count = leaves, root, count


def live(leaves):
    return sum(not leaf[3] for leaf in leaves.values())


def trie_root(leaves):
    """leaves: item id to (rev, epoch, ct_hash, deleted)."""
    if not leaves:
        return EMPTY_ROOT
    ids = sorted(leaves)
    if len(ids) == 1:
        rev, epoch, ct_hash, deleted = leaves[ids[0]]
        return H(lp("kf1/leaf", ids[0], rev, epoch, ct_hash, 1 if deleted else 0))
    difference = int.from_bytes(ids[0], "big") ^ int.from_bytes(ids[-1], "big")
    bit = 128 - difference.bit_length()
    is_right = lambda name: (int.from_bytes(name, "big") >> (127 - bit)) & 1
    left = {name: leaf for name, leaf in leaves.items() if not is_right(name)}
    right = {name: leaf for name, leaf in leaves.items() if is_right(name)}
    return H(lp("kf1/node", bit, trie_root(left), trie_root(right)))
