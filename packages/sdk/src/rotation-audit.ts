import { bytesToHex, bytesOf, hexToBytes, listOf, struct, tuple, uint } from "@keyferry/base"
import { currentEpoch } from "@keyferry/chain"
import { type AuditorMemory, auditRotations } from "@keyferry/engine"

import { type Device, readState, stateRow } from "./device.ts"
import type { SyncScope } from "./sync-exchange.ts"
import { vaultKeyOf } from "./vault.ts"

/*
 * Runs the engine's auditor over this device's vaults at every exchange, and keeps when it first noticed each.
 * Source: spec/sync.md, SY43–SY46
 */
const memoryStruct = struct({ noticed: [1, listOf(tuple(bytesOf(32), uint), 4096)] })
const KEY = "auditor"

/** Vaults by id in hex: those this device is to rotate now. */
export const findOverdue = async (
  device: Device,
  scope: SyncScope,
): Promise<{ readonly rotate: ReadonlySet<string> }> => {
  const before = await loadMemory(device, scope)
  const vaults = [...device.vaults.values()].filter((vault) => vault.row.resumeAfter === undefined)
  const { memory, findings } = auditRotations(before, {
    vaults: vaults.map((vault) => ({
      state: vault.state,
      mayRotate:
        vault.row.frozen === undefined &&
        vaultKeyOf(scope.full, vault.state.id, currentEpoch(vault.state).epoch) !== undefined,
      // Strict items of any vault wait for the rotation: which vaults are strict is a matter of shared ones.
      strict: true,
    })),
    accounts: [scope.account],
    nowMs: device.ports.clock.nowMs(),
  })
  if (!isSameMemory(before, memory)) {
    const noticed = [...memory].flatMap(([id, ms]) => {
      const bytes = hexToBytes(id)
      return bytes === undefined ? [] : [[bytes, ms] as const]
    })
    await device.ports.store.write([await stateRow(device, scope.keys, KEY, memoryStruct.encode({ noticed }))])
  }
  device.overdue = findings.filter((f) => f.refuseSecrets).map((f) => bytesToHex(f.vaultId))
  return { rotate: new Set(findings.filter((f) => f.action === "rotate").map((f) => bytesToHex(f.vaultId))) }
}

const loadMemory = async (device: Device, scope: SyncScope): Promise<AuditorMemory> => {
  const bytes = await readState(device, scope.keys, KEY)
  const row = bytes === undefined ? undefined : memoryStruct.decode(bytes, 512 * 1024)
  return row?.ok === true ? new Map(row.value.noticed.map(([id, ms]) => [bytesToHex(id), ms])) : new Map()
}

const isSameMemory = (a: AuditorMemory, b: AuditorMemory): boolean =>
  a.size === b.size && [...a].every(([id, ms]) => b.get(id) === ms)
