import {
  ACCOUNT_KEY_ROTATE,
  accountPayload,
  type AccountState,
  createMemoryTree,
  createTrie,
  HOLDER_DEVICE,
  keyRotateStruct,
  type Link,
  type VaultState,
  verifyVaultLink,
} from "@keyferry/chain"
import {
  addDeviceLink,
  createFixture,
  extend,
  type Fixture,
  type FixtureAccount,
  removeLink,
  rotateLink,
  signAll,
  vaultGenesisLink,
  writerOf,
} from "@keyferry/chain/fixture"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import * as engine from "./auditor.ts"
import type { AuditorMemory } from "./auditor.ts"
import { withFrozenInput } from "./frozen.ts"

const HOUR = 3_600_000
const T0 = 1_700_000_000_000
const audit = withFrozenInput(engine.auditRotations)

let fixture: Fixture
let account: FixtureAccount
let before: AccountState
let after: AccountState
let vault: VaultState
let rotated: VaultState

const verified = async (state: VaultState | undefined, link: Link, as: AccountState): Promise<VaultState> => {
  const step = await verifyVaultLink(p, state, link, { account: () => as, tree: createMemoryTree(createTrie(p)) })
  if (!step.ok) throw new Error(step.error.code)
  return step.value.state
}

beforeAll(async () => {
  fixture = createFixture(p, "auditor")
  account = await fixture.makeAccount()
  const phone = await fixture.makeHolder(HOLDER_DEVICE)
  before = await extend(p, account.state, await addDeviceLink(fixture, account.state, account.device, phone))
  vault = await verified(undefined, await vaultGenesisLink(p, fixture, before, account.device), before)
  after = await extend(p, before, await removeLink(fixture, before, account.device, [phone.holder.id]))
  rotated = await verified(vault, await rotateLink(p, fixture, vault, after, account.device), after)
})

const run = (
  state: VaultState,
  as: AccountState,
  over: { memory?: AuditorMemory; nowMs?: number; mayRotate?: boolean; strict?: boolean } = {},
): ReturnType<typeof engine.auditRotations> =>
  audit(over.memory ?? new Map(), {
    vaults: [{ state, mayRotate: over.mayRotate ?? true, strict: over.strict ?? true }],
    accounts: [as],
    nowMs: over.nowMs ?? T0,
  })

describe("the rotation auditor", () => {
  test("[SY43] nothing is due while the key is wrapped to the newest account key", () => {
    expect(run(vault, before).findings).toEqual([])
    expect(run(rotated, after).findings).toEqual([])
  })

  test("[SY43] a removal that the vault does not follow is found, whatever the server says", () => {
    const { findings } = run(vault, after)
    expect(findings).toEqual([
      { vaultId: vault.id, behind: [after.id], dueSinceMs: T0, action: "rotate", refuseSecrets: false },
    ])
  })

  test("[SY43] the rotation must be made after the last removal, not only to the newest key", () => {
    const later = { ...after, lastRemovalSeq: after.head.seq + 1 }
    expect(run(rotated, later).findings.length).toBe(1)
  })

  test("[SY43] a new account key without a removal is enough", async () => {
    const body = { key: fixture.makeKey(2), skSealed: Uint8Array.of(1) }
    const payload = accountPayload(before, ACCOUNT_KEY_ROTATE, keyRotateStruct, body, writerOf(account.device))
    const rekeyed = await extend(p, before, await signAll(payload, account.device))
    expect(run(vault, rekeyed).findings.length).toBe(1)
  })

  test("[SY44] who may not rotate waits", () => {
    expect(run(vault, after, { mayRotate: false }).findings[0]?.action).toBe("wait")
  })

  test("[SY45] after 24 hours a strict vault takes no new secrets; a standard one goes on", () => {
    const first = run(vault, after)
    const at = (nowMs: number, strict = true): boolean | undefined =>
      run(vault, after, { memory: first.memory, nowMs, strict }).findings[0]?.refuseSecrets
    expect(at(T0 + 24 * HOUR - 1)).toBe(false)
    expect(at(T0 + 24 * HOUR)).toBe(true)
    expect(at(T0 + 24 * HOUR, false)).toBe(false)
  })

  test("[SY46] the first notice stands until the rotation is done, then it is forgotten", () => {
    const first = run(vault, after)
    const second = run(vault, after, { memory: first.memory, nowMs: T0 + HOUR })
    expect(second.findings[0]?.dueSinceMs).toBe(T0)
    const earlier = run(vault, after, { memory: first.memory, nowMs: T0 - HOUR })
    expect(earlier.findings[0]?.dueSinceMs).toBe(T0)
    expect(run(rotated, after, { memory: first.memory, nowMs: T0 + HOUR }).memory.size).toBe(0)
  })

  test("[SY43] members whose chain this device does not have are not judged", () => {
    const { findings } = audit(new Map(), {
      vaults: [{ state: vault, mayRotate: true, strict: true }],
      accounts: [],
      nowMs: T0,
    })
    expect(findings).toEqual([])
  })
})
