import type { Purpose } from "./purpose.ts"

/** A key that the agent may offer. Only its public side; whoever implements `Signer` holds the rest. */
export interface AgentKey {
  /** The public key as SSH writes it. */
  readonly blob: Uint8Array
  readonly comment: string
  /** Certificates of this key, listed beside it. */
  readonly certificates?: readonly Uint8Array[]
  /** Public keys of the hosts that this key is for. Empty: for no host in particular. */
  readonly hostKeys: readonly Uint8Array[]
}

export interface SignRequest {
  readonly key: AgentKey
  readonly message: Uint8Array
  /** RSA_SHA2_256 and RSA_SHA2_512. */
  readonly flags: number
  /** What the message is for, read from the message itself. */
  readonly purpose: Purpose
  /** The host at the other end, proven by its signature; `undefined` where the client told none. */
  readonly hostKey?: Uint8Array
  /** The request came through a forwarded agent. Only where the agent was told to allow that. */
  readonly isForwarded: boolean
}

/**
 * What the agent asks of whoever holds the keys: the vault's agent with its rules and prompts.
 * `keys` in the order in which to offer them; enabled ones only. `sign` gives the signature as SSH writes it
 * (see signature.ts), or `undefined` to refuse: a person said no, the vault is locked, a rule forbids it.
 */
export interface Signer {
  readonly keys: () => Promise<readonly AgentKey[]>
  readonly sign: (request: SignRequest) => Promise<Uint8Array | undefined>
}
