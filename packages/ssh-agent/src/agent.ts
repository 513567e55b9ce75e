import { concatBytes, equalBytes, u32be } from "@keyferry/base"

import type { AgentLock } from "./agent-lock.ts"
import { parsePublicKey } from "./public-key.ts"
import { purposeOf } from "./purpose.ts"
import { addBinding, type Binding, parseBinding } from "./session-bind.ts"
import type { AgentKey, Signer } from "./signer.ts"
import { createReader, wireString } from "./wire.ts"

/*
 * The agent protocol (draft-ietf-sshm-ssh-agent), as the messages inside the frames: byte type · payload.
 *
 *   11 → 12   the keys: uint32 count · count × (string key · string comment)
 *   13 → 14   sign: string key · string message · uint32 flags → string signature
 *   17, 25    add a key: refused, keys come from the vault
 *   18, 19    remove one (string key), all: hidden until the agent is told otherwise, never deleted
 *   22, 23    lock, unlock: string passphrase
 *   27        extension: string name · …; only session-bind@openssh.com is known
 *   5, 6, 28  failure, success, extension failure
 *
 * Every other message is answered with 5.
 */
const FAILURE = 5
const SUCCESS = 6
const REQUEST_IDENTITIES = 11
const IDENTITIES_ANSWER = 12
const SIGN_REQUEST = 13
const SIGN_RESPONSE = 14
const REMOVE_IDENTITY = 18
const REMOVE_ALL_IDENTITIES = 19
const LOCK = 22
const UNLOCK = 23
const EXTENSION = 27
const EXTENSION_FAILURE = 28

/** To a host that no key is attached to, so many are offered: servers give up after a few. */
export const MAX_KEYS_FOR_STRANGERS = 5

export interface AgentOptions {
  /** Answer requests that come through a forwarded agent. Off unless a person asked for it. */
  readonly allowForwarding?: boolean
}

export interface AgentSession {
  /** The answer to one message. Never throws for what a client sent. */
  readonly answer: (message: Uint8Array) => Promise<Uint8Array>
}

export interface Agent {
  /** One connection's view. Bindings belong to the connection; hidden keys and the lock to the agent. */
  readonly openSession: () => AgentSession
  /** Shows again what `ssh-add -d` and `-D` hid. */
  readonly showAll: () => void
  readonly isLocked: () => boolean
}

/** Errors: none are thrown; a `Signer` that throws is a defect and ends the connection. */
export const createAgent = (signer: Signer, lock: AgentLock, options: AgentOptions = {}): Agent => {
  const hidden = new Set<string>()
  const allowForwarding = options.allowForwarding === true
  const shownKeys = async (): Promise<readonly AgentKey[]> => {
    if (lock.isLocked()) return []
    return (await signer.keys()).filter((key) => !hidden.has(keyName(key.blob)))
  }

  const openSession = (): AgentSession => {
    let bindings: readonly Binding[] = []
    // A binding that did not hold: whoever sent it is not who they say, so nothing more is signed here.
    let isRefused = false

    const isForwarded = (): boolean => bindings.some((binding) => binding.isForwarding)
    const isClosed = (): boolean => isRefused || (isForwarded() && !allowForwarding)

    const listKeys = async (): Promise<Uint8Array> => {
      const keys = isClosed() ? [] : selectKeys(await shownKeys(), bindings.at(-1))
      const entries = keys.flatMap((key) =>
        [key.blob, ...(key.certificates ?? [])].map((blob) => [wireString(blob), wireString(key.comment)]),
      )
      return concatBytes(Uint8Array.of(IDENTITIES_ANSWER), u32be(entries.length), ...entries.flat())
    }

    const sign = async (payload: Uint8Array): Promise<Uint8Array> => {
      const reader = createReader(payload)
      const blob = reader.string()
      const message = reader.string()
      const flags = reader.uint32()
      if (blob === undefined || message === undefined || flags === undefined || !reader.isAtEnd()) return failure()
      if (isClosed()) return failure()
      const key = (await shownKeys()).find((candidate) => hasBlob(candidate, blob))
      if (key === undefined) return failure()
      const purpose = purposeOf(message)
      const bound = bindings.at(-1)
      if (purpose.kind === "login" && !equalBytes(purpose.keyBlob, blob)) return failure()
      if (bound !== undefined) {
        // A bound connection may log in to that host in that session, and do nothing else.
        if (purpose.kind !== "login" || !equalBytes(purpose.sessionId, bound.sessionId)) return failure()
        if (purpose.hostKey !== undefined && !isPlainKey(purpose.hostKey, bound.hostKey)) return failure()
      }
      const hostKey = bound === undefined ? {} : { hostKey: bound.hostKey }
      const signature = await signer.sign({ key, message, flags, purpose, ...hostKey, isForwarded: isForwarded() })
      // Locked while a person was asked: the answer is not given any more.
      if (signature === undefined || lock.isLocked()) return failure()
      return concatBytes(Uint8Array.of(SIGN_RESPONSE), wireString(signature))
    }

    const remove = async (payload: Uint8Array): Promise<Uint8Array> => {
      const reader = createReader(payload)
      const blob = reader.string()
      if (blob === undefined || !reader.isAtEnd()) return failure()
      const key = (await shownKeys()).find((candidate) => hasBlob(candidate, blob))
      if (key === undefined) return failure()
      hidden.add(keyName(key.blob))
      return success()
    }

    const removeAll = async (): Promise<Uint8Array> => {
      if (lock.isLocked()) return failure()
      for (const key of await shownKeys()) hidden.add(keyName(key.blob))
      return success()
    }

    const changeLock = async (
      payload: Uint8Array,
      change: (passphrase: Uint8Array) => Promise<boolean>,
    ): Promise<Uint8Array> => {
      const reader = createReader(payload)
      const passphrase = reader.string()
      if (passphrase === undefined || !reader.isAtEnd()) return failure()
      return (await change(passphrase)) ? success() : failure()
    }

    const extend = (payload: Uint8Array): Uint8Array => {
      const reader = createReader(payload)
      if (reader.text() !== "session-bind@openssh.com") return failure()
      const binding = parseBinding(reader.rest())
      const next = binding && addBinding(bindings, binding)
      if (next === undefined) {
        isRefused = true
        return Uint8Array.of(EXTENSION_FAILURE)
      }
      bindings = next
      return isClosed() ? Uint8Array.of(EXTENSION_FAILURE) : success()
    }

    return Object.freeze({
      answer: async (message: Uint8Array): Promise<Uint8Array> => {
        const payload = message.subarray(1)
        switch (message[0]) {
          case REQUEST_IDENTITIES:
            return payload.length === 0 ? listKeys() : failure()
          case SIGN_REQUEST:
            return sign(payload)
          case REMOVE_IDENTITY:
            return isClosed() ? failure() : remove(payload)
          case REMOVE_ALL_IDENTITIES:
            return isClosed() ? failure() : removeAll()
          case LOCK:
            return isClosed() ? failure() : changeLock(payload, lock.lock)
          case UNLOCK:
            return isClosed() ? failure() : changeLock(payload, lock.unlock)
          case EXTENSION:
            return extend(payload)
          default:
            return failure()
        }
      },
    })
  }

  return Object.freeze({ openSession, showAll: () => hidden.clear(), isLocked: lock.isLocked })
}

/**
 * The keys to offer, best first. Bound to a host that keys are attached to: exactly those. Bound to another host: the
 * first five in the configured order. Not bound (signing documents, older clients): all.
 */
export const selectKeys = (
  keys: readonly AgentKey[],
  bound: Pick<Binding, "hostKey"> | undefined,
): readonly AgentKey[] => {
  if (bound === undefined) return keys
  const attached = keys.filter((key) => key.hostKeys.some((hostKey) => isPlainKey(hostKey, bound.hostKey)))
  return attached.length > 0 ? attached : keys.slice(0, MAX_KEYS_FOR_STRANGERS)
}

const failure = (): Uint8Array => Uint8Array.of(FAILURE)
const success = (): Uint8Array => Uint8Array.of(SUCCESS)

const keyName = (blob: Uint8Array): string => Buffer.from(blob).toString("base64")

const hasBlob = (key: AgentKey, blob: Uint8Array): boolean =>
  equalBytes(key.blob, blob) || (key.certificates ?? []).some((certificate) => equalBytes(certificate, blob))

/** Whether a host key, perhaps a certificate, is this plain key. */
const isPlainKey = (blob: Uint8Array, plain: Uint8Array): boolean => {
  if (equalBytes(blob, plain)) return true
  const parsed = parsePublicKey(blob)
  return parsed.ok && equalBytes(parsed.value.blob, plain)
}
