import type { Sabotage } from "./definition.ts"

/* What a device does when it is locked or removed in the middle of something, and who may answer a question of its worker. */
const LOCKING = "adversarial/device/locking.slow.test.ts"
const KEYFERRY = "packages/sdk/src/keyferry.ts"

export const sabotages: readonly Sabotage[] = [
  {
    name: "lock-gives-up-passkeys",
    protects: "a dialog that nobody answers keeps no key in memory",
    changes: [
      {
        file: "packages/sdk/src/giving-up.ts",
        search: "create: (options) => orGivenUp(() => passkeys.create(options), notUsed),",
        replace: "create: passkeys.create,",
      },
    ],
    killer: { file: LOCKING, title: "X-106" },
    fast: true,
  },
  {
    name: "approval-ends-with-a-lock",
    protects: "an approval does not go on with keys that a lock took away",
    changes: [
      {
        file: "packages/sdk/src/approval.ts",
        search: `    const keys = device.full\n    if (keys === undefined) return err({ code: "locked" })\n`,
        replace: "    const keys = full\n",
      },
    ],
    killer: { file: LOCKING, title: "X-101" },
  },
  {
    name: "lock-ends-what-an-unlock-began",
    protects: "a device that was locked while it opened syncs by itself after the next unlock",
    changes: [
      {
        file: KEYFERRY,
        search: "      // Again: an unlock that was under way began it anew.\n      stop()\n",
        replace: "",
      },
    ],
    killer: { file: LOCKING, title: "X-102" },
  },
  {
    name: "removal-in-its-turn",
    protects: "nothing goes on with wiped keys, or writes, after a removal was obeyed",
    changes: [
      {
        file: KEYFERRY,
        search: "await device.serial(() => ownRemoval(device, code))",
        replace: "await ownRemoval(device, code)",
      },
    ],
    killer: { file: LOCKING, title: "X-103" },
  },
  {
    name: "passkey-answer-of-the-asked-tab",
    protects: "no other tab answers a question to a passkey",
    changes: [
      {
        file: "apps/web/src/worker/asker.ts",
        search: "if (question?.at !== line) return",
        replace: "if (question === undefined) return",
      },
    ],
    killer: { file: "adversarial/browser/bridge.test.ts", title: "only from the tab that was asked" },
  },
]
