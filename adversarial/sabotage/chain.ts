import type { Sabotage } from "./definition.ts"

const LINK = "packages/chain/src/link.ts"
const ACCOUNT = "packages/chain/src/account-chain.ts"
const ACCOUNT_RULES = "packages/chain/src/account-rules.ts"
const ACCOUNT_STATE = "packages/chain/src/account-state.ts"
const VAULT = "packages/chain/src/vault-chain.ts"
const VAULT_RULES = "packages/chain/src/vault-rules.ts"
const KNOWN = "packages/chain/src/known.ts"

const testOf = (name: string): string => `packages/chain/src/${name}.test.ts`

export const sabotages: readonly Sabotage[] = [
  {
    name: "countersignature-valid",
    protects: "a holder is added only with its own signature over the link",
    changes: [
      {
        file: LINK,
        search: "    if (!(await verifyCountersignature(p, holder.sigPk, link.payload, signature))) return holder.id\n",
        replace: "",
      },
    ],
    killer: { file: testOf("account-links"), title: "[CH5] every added holder proves its key" },
    fast: true,
  },
  {
    name: "countersignature-present",
    protects: "a holder is not added where its signature is missing",
    changes: [
      {
        file: LINK,
        search: "    if (signature === undefined) return holder.id\n",
        replace: "    if (signature === undefined) continue\n",
      },
    ],
    killer: { file: testOf("account-links"), title: "[CH5] every added holder proves its key" },
  },
  {
    name: "countersignature-of-slots",
    protects: "a chain forged around a real slot's public keys is not believed",
    changes: [
      {
        file: LINK,
        search: "    if (!(await verifyCountersignature(p, holder.sigPk, link.payload, signature))) return holder.id\n",
        replace: "",
      },
    ],
    killer: { file: testOf("account-slots"), title: "[CH24] a chain forged around a real slot's public keys" },
  },
  {
    name: "slot-keys-compared",
    protects: "keys derived from a secret are those that the chain has for the slot",
    changes: [
      {
        file: ACCOUNT_STATE,
        search:
          "): boolean => equalBytes(entry.holder.sigPk, keys.sigPk) && equalBytes(entry.holder.kemPk, keys.kemPk)",
        replace: "): boolean => entry.holder.sigPk.length === keys.sigPk.length",
      },
    ],
    killer: { file: testOf("account-slots"), title: "[CH24] derived keys must be those of the newest slot" },
  },
  {
    name: "floor-checked",
    protects: "a removed device cannot date its links back",
    changes: [
      {
        file: VAULT_RULES,
        search:
          '  if (seenSeq < rules.floor) return err({ code: "signer-below-floor", seq, seen: seenSeq, floor: rules.floor })\n',
        replace: "",
      },
    ],
    killer: {
      file: testOf("vault-rotation"),
      title: "[CH33] after the rotation a removed device cannot date its links back",
    },
    fast: true,
  },
  {
    name: "floor-raised",
    protects: "a rotation raises the floor of its signer",
    changes: [
      {
        file: VAULT_RULES,
        search: "    floors: new Map([...state.floors, [bytesToHex(signer.account.id), signer.seenSeq]]),\n",
        replace: "    floors: state.floors,\n",
      },
    ],
    killer: {
      file: testOf("vault-rotation"),
      title: "[CH33] after the rotation a removed device cannot date its links back",
    },
  },
  {
    name: "trie-root",
    protects: "the root that was signed is the root of what the link makes",
    changes: [
      {
        file: VAULT,
        search: "  if (!equalBytes(put.root, root) || after.value !== count) return",
        replace: "  if (after.value !== count) return",
      },
    ],
    killer: { file: testOf("vault-items"), title: "[CH42] root and count are what the ops make of them" },
    fast: true,
  },
  {
    name: "first-read-root",
    protects: "a first read in which a leaf was left out or changed does not add up",
    changes: [
      {
        file: VAULT,
        search: "  if (!equalBytes(trie.root(), state.root) || liveCount(leaves) !== state.count) return omission\n",
        replace: "",
      },
    ],
    killer: {
      file: testOf("vault-bootstrap"),
      title: "[CH40] an item left out, brought back, changed or doubled does not add up",
    },
  },
  {
    name: "epoch-check-at-commit",
    protects: "nothing is written under a key that a removed device knows",
    changes: [
      {
        file: VAULT,
        search:
          "    if (atCommit && isRotationDue(state, signer.value.account)) return rotationDue(state)\n    return applyItems",
        replace: "    return applyItems",
      },
    ],
    killer: {
      file: "apps/strongroom/src/vaults/append-removal.test.ts",
      title: "[SY63] items are refused until the vault's key names the newest account key",
    },
    fast: true,
  },
  {
    name: "signer-at-commit",
    protects: "a removed device writes nothing at the commit, whatever head it names",
    changes: [
      {
        file: VAULT_RULES,
        search: "  if (signer === undefined || isGone)\n",
        replace: "  if (signer === undefined || (isGone && seenSeq < 0))\n",
      },
    ],
    killer: { file: testOf("vault-rotation"), title: "[CH41] at the commit a removed device writes nothing" },
  },
  {
    name: "epoch-of-ops",
    protects: "an op names the vault's current key epoch",
    changes: [
      {
        file: VAULT_RULES,
        search: '    if (opEpoch !== epoch) return err({ code: "epoch-stale", current: epoch, epoch: opEpoch })\n',
        replace: "",
      },
    ],
    killer: { file: testOf("vault-items"), title: "[CH34] refuses other revisions, epochs and shapes" },
  },
  {
    name: "link-signature",
    protects: "a link is signed by the holder that it names",
    changes: [
      {
        file: VAULT_RULES,
        search:
          '  if (!(await isLinkSignedBy(p, link, signer.holder.sigPk))) return err({ code: "chain-signature-invalid", seq })\n',
        replace: "",
      },
    ],
    killer: { file: testOf("vault-chain"), title: "[CH30] any device of the owner writes, with what it has seen" },
  },
  {
    name: "account-link-signature",
    protects: "an account link is signed by the holder that it names",
    changes: [
      {
        file: ACCOUNT,
        search:
          '  if (!(await isLinkSignedBy(p, link, signer.holder.sigPk))) return err({ code: "chain-signature-invalid", seq })\n',
        replace: "",
      },
    ],
    killer: { file: testOf("account-chain"), title: "[CH11] a body is not looked at before the signature was checked" },
  },
  {
    name: "owner-only",
    protects: "an active device of another account writes nothing into this vault",
    changes: [
      {
        file: VAULT_RULES,
        search:
          '  if (!equalBytes(payload.byAccount, rules.owner)) return err({ code: "not-allowed", seq, what: "not the owner" })\n',
        replace: "",
      },
    ],
    killer: { file: testOf("vault-chain"), title: "[CH30] another account's device writes nothing here" },
  },
  {
    name: "recipients-exact",
    protects: "the vault's key goes to the owner's newest account key and to nobody else",
    changes: [
      {
        file: VAULT_RULES,
        search: "  return recipients !== undefined && areSameRecipients(epoch.recipients, recipients)\n",
        replace: "  return recipients !== undefined\n",
      },
    ],
    killer: {
      file: testOf("vault-rotation"),
      title: "[CH31] the key goes to the owner's newest account key as of seen",
    },
  },
  {
    name: "keys-never-return",
    protects: "a key of a removed holder does not come back",
    changes: [{ file: ACCOUNT_RULES, search: "      if (used.has(f)) return holder\n", replace: "" }],
    killer: {
      file: testOf("account-holder-add"),
      title: "[CH18] ids and keys of any holder that ever was do not come back",
    },
  },
  {
    name: "last-recovery-holder",
    protects: "an account is never left without a slot that recovers it",
    changes: [
      {
        file: ACCOUNT_RULES,
        search: '  if (count(HOLDER_RECOVERY) === 0) return err({ code: "last-recovery-holder", seq })\n',
        replace: "",
      },
    ],
    killer: { file: testOf("account-removal"), title: "[CH23] the last holder that can recover is never removed" },
  },
  {
    name: "retirement-signature",
    protects: "a removal that says a device left by itself has that device's signature",
    changes: [
      {
        file: ACCOUNT_RULES,
        search: "  return verifyRetire(p, device.holder.sigPk, { uid: state.id, deviceId, seq, head }, signature)\n",
        replace:
          "  return (await verifyRetire(p, device.holder.sigPk, { uid: state.id, deviceId, seq, head }, signature)) || true\n",
      },
    ],
    killer: { file: testOf("account-removal"), title: "[CH26] a retirement counts with the device's own signature" },
  },
  {
    name: "approval-policy",
    protects: "where the policy asks for approval, password and kit alone add no device",
    changes: [
      {
        file: ACCOUNT,
        search:
          '    if (state.policy.requireDeviceApproval) return notAllowed(signed, "the policy asks for approval by a device")\n',
        replace: "",
      },
    ],
    killer: {
      file: testOf("account-holder-add"),
      title: "[CH12] where the policy asks for approval, slots add nothing",
    },
  },
  {
    name: "approved-payload",
    protects: "a new device countersigns only the link that was approved by words",
    changes: [
      {
        file: "packages/chain/src/writing.ts",
        search:
          "  if (!isMine || !equalBytes(byHolder, expected.approver) || !equalBytes(transcript, expected.transcript))\n",
        replace: "  if (!isMine)\n",
      },
    ],
    killer: { file: testOf("account-slots"), title: "[CH25] a new device countersigns only what was approved" },
  },
  {
    name: "rollback-noticed",
    protects: "an older head than the one that is known is refused",
    changes: [
      {
        file: KNOWN,
        search: "  if (served.head.seq < known.head.seq)\n    return",
        replace: "  if (served.head.seq < 0)\n    return",
      },
    ],
    killer: { file: testOf("account-chain"), title: "[CH43] [CH44] rollback, fork and disorder are told apart" },
  },
  {
    name: "fork-noticed",
    protects: "another payload at a known place is a fork",
    changes: [
      {
        file: KNOWN,
        search: "    if (mine !== undefined && !equalBytes(mine, hash))\n      return",
        replace: "    if (mine !== undefined && mine.length !== hash.length)\n      return",
      },
    ],
    killer: { file: testOf("account-chain"), title: "[CH43] [CH44] rollback, fork and disorder are told apart" },
  },
]
