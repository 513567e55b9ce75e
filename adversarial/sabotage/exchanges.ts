import type { Sabotage } from "./definition.ts"

/*
 * Approvals that begin again, what is kept for a repair, and what a stop leaves of a deletion and of a new key.
 */
const PAIRING = "packages/sdk/src/pairing.ts"
const PAIRING_TESTS = "packages/sdk/src/pairing.test.ts"

export const sabotages: readonly Sabotage[] = [
  {
    name: "pairing-answer-names-commitment",
    protects: "a new device takes the answer to its own commitment and to no other",
    changes: [
      {
        file: PAIRING,
        search: "m.commit === undefined || !equalBytes(m.commit, commit)) continue",
        replace: "m.commit === undefined) continue",
      },
    ],
    killer: { file: PAIRING_TESTS, title: "the new device passes over answers to another commitment" },
    fast: true,
  },
  {
    name: "pairing-commitment-answered-once",
    protects: "an approver never answers a commitment whose exchange may have shown words",
    changes: [
      {
        file: PAIRING,
        search: "      if (before === undefined) {\n",
        replace: "      if (before === undefined || before.type === 2) {\n",
      },
    ],
    killer: { file: PAIRING_TESTS, title: "what another approver answered is passed over" },
  },
  {
    name: "kept-newest-link",
    protects: "a device can show its newest link of a vault, however old, to a server that lost it",
    changes: [
      {
        file: "packages/sdk/src/kept.ts",
        search: "return keys[i + 1]?.startsWith(vault) === true && Number(atMs) < nowMs - KEPT_MS",
        replace: "return vault.length > 0 && Number(atMs) < nowMs - KEPT_MS",
      },
    ],
    killer: { file: "packages/sdk/src/kept.test.ts", title: "go after thirty days, all but the newest of each vault" },
  },
  {
    name: "deletion-finished-at-start",
    protects: "an account whose keys are destroyed does not stay as one that opens nowhere",
    changes: [
      {
        file: "apps/strongroom/src/lease/reconcile.ts",
        search: "const deleted = await finishDeletions(ctx, await leases.openIntents())",
        replace: "const deleted = 0",
      },
    ],
    killer: {
      file: "apps/strongroom/src/accounts/deletion.test.ts",
      title: "after-kill: after the start it is whole or gone",
    },
  },
  {
    name: "kek-old-one-destroyed",
    protects: "a key of the outer layer that was replaced is gone",
    changes: [
      {
        file: "apps/strongroom/src/kek-rotation.ts",
        search: "  await rotation.destroyOlder()\n",
        replace: "",
      },
    ],
    killer: {
      file: "apps/strongroom/src/kek-rotation.test.ts",
      title: "every data key is wrapped anew, nothing else changes, and the old key is nowhere",
    },
    fast: true,
  },
  {
    name: "answer-in-time",
    protects: "a server that sends a byte now and then holds no request of a device for ever",
    changes: [
      {
        file: "packages/sdk/src/node/http.ts",
        search: "      allowedMs += bytes / SLOWEST\n",
        replace: "      allowedMs += 1000 + bytes / SLOWEST\n",
      },
    ],
    killer: { file: "packages/sdk/src/node/http.test.ts", title: "sends its answer a byte at a time" },
  },
  {
    name: "silent-stream",
    protects: "a stream whose other end is gone without a word is not listened to for ever",
    changes: [{ file: "packages/sdk/src/transport.ts", search: "    else onSilence()\n", replace: "" }],
    killer: { file: "packages/sdk/src/transport.test.ts", title: "is hung up on after a minute without a word" },
  },
  {
    name: "log-of-another-store",
    protects: "the log of a store that was replaced is not mixed into the other one",
    changes: [
      {
        file: "packages/store/src/sqlite.ts",
        search: "    if (isLogOfAnother) for",
        replace: "    if (place === '') for",
      },
    ],
    killer: {
      file: "packages/store/src/store.test.ts",
      title: "notices that another file lies in its place, and takes its log away with it",
    },
  },
]
