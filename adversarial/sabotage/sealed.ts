import type { Sabotage } from "./definition.ts"

const AEAD = "packages/crypto/src/aead.ts"

export const sabotages: readonly Sabotage[] = [
  {
    name: "key-commitment",
    protects: "one ciphertext opens under one key only",
    changes: [
      { file: AEAD, search: '  if (!equalBytes(derived.commit, commit)) return err("cannot-open")\n', replace: "" },
    ],
    killer: { file: "packages/crypto/src/aead.test.ts", title: "[KE6] another commitment does not open" },
    fast: true,
  },
  {
    name: "header-binding",
    protects: "a ciphertext opens under its own header only",
    changes: [
      {
        file: AEAD,
        search: "lp(input.label, H(p, input.header)), 76)",
        replace: "lp(input.label, H(p, new Uint8Array())), 76)",
      },
      {
        file: AEAD,
        search: "p.aesGcmSeal(key, nonce, input.header, input.plaintext)",
        replace: "p.aesGcmSeal(key, nonce, new Uint8Array(), input.plaintext)",
      },
      {
        file: AEAD,
        search: "p.aesGcmOpen(derived.key, derived.nonce, input.header, ct)",
        replace: "p.aesGcmOpen(derived.key, derived.nonce, new Uint8Array(), ct)",
      },
    ],
    killer: { file: "packages/crypto/src/aead.test.ts", title: "[KE6] another header does not open" },
    fast: true,
  },
  {
    name: "record-place",
    protects: "a record that a server moved to another item or vault does not open",
    changes: [
      {
        file: "packages/crypto/src/record.ts",
        search: "  if (!equalBytes(header.value.vid, input.vid) || !equalBytes(header.value.itemId, input.itemId)) {",
        replace: "  if (header.value.rev === 0) {",
      },
    ],
    killer: { file: "packages/crypto/src/record.test.ts", title: "[RC4] a moved record does not open" },
  },
  {
    name: "item-place",
    protects: "an item whose body names another place is refused",
    changes: [
      {
        file: "packages/items/src/item.ts",
        search:
          '  if (!equalBytes(itemId, place.itemId) || !equalBytes(vaultId, place.vaultId)) return err("malformed")\n',
        replace: "",
      },
    ],
    killer: { file: "packages/items/src/item.test.ts", title: "[RC9] what was sealed for one place" },
  },
  {
    name: "wrap-context",
    protects: "a wrap copied to another link does not open",
    changes: [
      {
        file: "packages/crypto/src/wrap.ts",
        search: '  lp("kf1/wrap", c.kind, c.chainId, c.epoch, recipient, kemPkHash, c.byUid, c.by)',
        replace: '  lp("kf1/wrap", c.kind, recipient, kemPkHash)',
      },
      {
        file: "packages/crypto/src/wrap.ts",
        search: 'lp("kf1/wrap-aad", c.chainId, c.seq, c.prev)',
        replace: 'lp("kf1/wrap-aad", c.kind)',
      },
    ],
    killer: { file: "packages/crypto/src/wrap.test.ts", title: "[KE12] an entry copied to a link with another" },
  },
  {
    name: "wrap-signature",
    protects: "a key is taken from a wrap only if the signed link committed to that wrap",
    changes: [
      {
        file: "packages/sdk/src/vault.ts",
        search: "  if (!committed || recipient === undefined || seed === undefined) return refused\n",
        replace: "  if (recipient === undefined || seed === undefined) return refused\n  void committed\n",
      },
    ],
    killer: {
      file: "adversarial/sabotage/vault-key.test.ts",
      title: "the right key in a wrap that nobody signed is not taken",
    },
    fast: true,
  },
  {
    name: "key-confirmation",
    protects: "a key is taken only if the signed link confirms it",
    changes: [
      {
        file: "packages/sdk/src/vault.ts",
        search: "  return equalBytes(confirm, entry.confirm) ? ok(opened.value) : refused\n",
        replace: "  return confirm.length === entry.confirm.length ? ok(opened.value) : refused\n",
      },
    ],
    killer: {
      file: "adversarial/sabotage/vault-key.test.ts",
      title: "a signed wrap of another key than the link confirms is not taken",
    },
    fast: true,
  },
  {
    name: "lease-proof",
    protects: "a lease answer made with another key is refused by its proof",
    changes: [
      {
        file: "packages/crypto/src/voprf.ts",
        search:
          "    const y = voprf.finalize(blinded.x.reveal(), blinded.blind.reveal(), evaluated, blinded.blinded, leasePk, proof)",
        replace:
          "    const y = leasePk.length + proof.length > 0 ? ristretto255_oprf.oprf.finalize(blinded.x.reveal(), blinded.blind.reveal(), evaluated) : evaluated",
      },
    ],
    killer: { file: "packages/crypto/src/voprf.test.ts", title: "[KE16] an answer with another key" },
  },
  {
    name: "password-and-kit",
    protects: "the password slot needs both halves",
    changes: [
      {
        file: "packages/crypto/src/keys.ts",
        search: '  secret<"SlotSecret">(lp(exportKey.reveal(), secretKey.reveal()))',
        replace: '  secret<"SlotSecret">(lp(exportKey.reveal(), new Uint8Array(secretKey.length)))',
      },
    ],
    killer: { file: "packages/crypto/src/keys.test.ts", title: "[KE9] the password slot's secret is both halves" },
  },
  {
    name: "canonical-bytes",
    protects: "signed bytes have one form",
    changes: [
      {
        file: "packages/base/src/cbor.ts",
        search: "    if (key === undefined || key <= last) return undefined\n",
        replace: "    if (key === undefined) return undefined\n",
      },
    ],
    killer: { file: "packages/base/src/base.test.ts", title: "[RC1]" },
  },
  {
    name: "grace-clock",
    protects: "a clock that was set back opens nothing offline",
    changes: [
      {
        file: "packages/engine/src/lease.ts",
        search:
          '  if (nowMs < clock.highWaterMs - CLOCK_TOLERANCE_MS) return { decision: "refuse", code: "clock-moved" }\n',
        replace: "",
      },
    ],
    killer: {
      file: "packages/engine/src/lease.test.ts",
      title: "[LS25] a clock that went back more than five minutes",
    },
  },
  {
    name: "page-revision",
    protects: "an older page of a device's store is not taken for the newest",
    changes: [
      {
        file: "packages/sdk/src/item-pages.ts",
        search: "page.ok && page.value.revision === revision && page.value.rows.length === count",
        replace: "page.ok && page.value.rows.length > 0",
      },
    ],
    killer: { file: "adversarial/device/stolen.slow.test.ts", title: "X-42" },
  },
  {
    name: "strict-draft",
    protects: "what was typed into a strict item and not saved is closed where the item is",
    changes: [
      {
        file: "packages/sdk/src/drafts.ts",
        search: '(of === "strict" ? keys.strict : keys.standard)',
        replace: "(of === undefined ? keys.strict : keys.standard)",
      },
    ],
    killer: { file: "e2e/devices/grace.test.ts", title: "[LS20] the same holds for what was typed and not saved" },
  },
  {
    name: "turn-of-whoever-waits",
    protects: "a server that answers each request just in time holds nobody up",
    changes: [{ file: "packages/sdk/src/turns.ts", search: "      if (gaveWay) return undefined\n", replace: "" }],
    killer: {
      file: "packages/sdk/src/turns.test.ts",
      title: "[SY99] a server that answers each request just in time holds nobody up",
    },
  },
]
