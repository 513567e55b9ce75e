import { bytesToHex, equalBytes } from "@keyferry/base"
import { type AccountState, currentEpoch, floorOf, type VaultState } from "@keyferry/chain"

/*
 * The rotation auditor: every device looks, at every sync, whether a vault's key was changed after the last removal it knows of. A
 * server that stays silent about a rotation is noticed here, without its help.
 * Source: spec/sync.md, SY43–SY46
 */

/** How long a due rotation may wait before a strict vault takes no new secrets. */
export const OVERDUE_MS = 24 * 3_600_000

export interface AuditedVault {
  readonly state: VaultState
  /** True if this device may rotate the vault's key. */
  readonly mayRotate: boolean
  /** True if new secrets are refused here once the rotation is overdue. */
  readonly strict: boolean
}

/** When each vault in need was first noticed, by vault id in hex. Kept across restarts. */
export type AuditorMemory = ReadonlyMap<string, number>

export interface Finding {
  readonly vaultId: Uint8Array
  /** Accounts whose newest key the vault's key is not wrapped to. */
  readonly behind: readonly Uint8Array[]
  readonly dueSinceMs: number
  readonly action: "rotate" | "wait"
  readonly refuseSecrets: boolean
}

/** `accounts` are the verified chains of the members, as far as this device has them. */
export const auditRotations = (
  memory: AuditorMemory,
  input: {
    readonly vaults: readonly AuditedVault[]
    readonly accounts: readonly AccountState[]
    readonly nowMs: number
  },
): { readonly memory: AuditorMemory; readonly findings: readonly Finding[] } => {
  const findings: Finding[] = []
  for (const vault of input.vaults) {
    const behind = accountsBehind(vault.state, input.accounts)
    if (behind.length === 0) continue
    // A clock that went back must not make an old need young again: the first notice stands.
    const dueSinceMs = memory.get(bytesToHex(vault.state.id)) ?? input.nowMs
    findings.push({
      vaultId: vault.state.id,
      behind,
      dueSinceMs,
      action: vault.mayRotate ? "rotate" : "wait",
      refuseSecrets: vault.strict && input.nowMs - dueSinceMs >= OVERDUE_MS,
    })
  }
  return { memory: new Map(findings.map((f) => [bytesToHex(f.vaultId), f.dueSinceMs])), findings }
}

/** Members at whose newest key, or after whose last removal, the vault's key was not made. */
const accountsBehind = (vault: VaultState, accounts: readonly AccountState[]): readonly Uint8Array[] =>
  currentEpoch(vault).recipients.flatMap(([accountId, accountEpoch]) => {
    const account = accounts.find((a) => equalBytes(a.id, accountId))
    if (account === undefined) return []
    const newest = account.keys.at(-1)?.epoch ?? 0
    // The floor is the head that the rotation's writer had seen, known for the account that wrote it.
    const seen = equalBytes(currentEpoch(vault).byAccount, accountId)
      ? floorOf(vault, accountId)
      : Number.POSITIVE_INFINITY
    return accountEpoch < newest || seen < account.lastRemovalSeq ? [accountId] : []
  })
