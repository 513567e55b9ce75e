import { readSync } from "node:fs"

import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { needsTerminal, usage } from "./failures.ts"
import type { Prompter } from "./prompt.ts"
import type { Settings } from "./settings.ts"

/** Every secret that a command may ask for has one of these names; `field:NAME` are fields of an item. */
export const SECRET_NAMES = [
  "password",
  "new-password",
  "code",
  "recovery-code",
  "kit",
  "words",
  "reply",
  "archive-passphrase",
  "archive-identity",
] as const
export type SecretName = (typeof SECRET_NAMES)[number] | `field:${string}`

export interface SecretQuestion {
  /** What a person is asked. */
  readonly prompt: string
  /** Ask twice and compare: a new password. */
  readonly twice?: boolean
  /** Shown while typing: words to compare, codes. */
  readonly shown?: boolean
  /** The failure when there is nobody to ask; its exit code is 4 or 9. */
  readonly missing?: Failure
}

/**
 * The one way secrets come in: from `--secrets-stdin`, `--secrets-fd N`, `--password-stdin`, `--password-fd N`,
 * else from a prompt. Never from arguments or the environment.
 */
export interface SecretIntake {
  /** The secret given by a flag, if it was. */
  readonly given: (name: SecretName) => Result<string | undefined, Failure>
  readonly ask: (name: SecretName, question: SecretQuestion) => Promise<Result<string, Failure>>
  /** The whole of stdin as text, for `field=-` and `--from-stdin`. Only one thing can have it. */
  readonly stdin: (what: string) => Result<string, Failure>
  readonly stdinBytes: (what: string) => Result<Uint8Array, Failure>
}

export interface SecretPorts {
  readonly settings: Pick<Settings, "secrets" | "noInput">
  readonly prompter: Prompter | undefined
  readonly readFd?: (fd: number) => Uint8Array
}

const MAX_BYTES = 64 * 1024 * 1024

export const createSecretIntake = ({ settings, prompter, readFd = readAll }: SecretPorts): SecretIntake => {
  let loaded: Result<ReadonlyMap<string, string>, Failure> | undefined
  let stdinTakenBy: string | undefined

  const claim = (what: string): Result<void, Failure> => {
    if (stdinTakenBy !== undefined && stdinTakenBy !== what) {
      return err(
        usage(`Only one thing can come from stdin: ${stdinTakenBy} or ${what}. Use --secrets-fd, or field=@FILE.`),
      )
    }
    stdinTakenBy = what
    return ok(undefined)
  }

  const load = (): Result<ReadonlyMap<string, string>, Failure> => {
    const source = settings.secrets
    if (source === undefined) return ok(new Map())
    if (source.fd === 0) {
      const claimed = claim(source.form === "password" ? "--password-stdin" : "--secrets-stdin")
      if (!claimed.ok) return claimed
    }
    const bytes = readBytes(readFd, source.fd)
    if (!bytes.ok) return bytes
    const text = decode(bytes.value)
    if (text === undefined) return err(usage("The secrets are not UTF-8 text."))
    if (source.form === "password") {
      const password = text.replace(/\r?\n$/, "")
      return password === "" ? err(usage("The password given is empty.")) : ok(new Map([["password", password]]))
    }
    return parseSecretLines(text)
  }

  const given = (name: SecretName): Result<string | undefined, Failure> => {
    loaded ??= load()
    return loaded.ok ? ok(loaded.value.get(name)) : loaded
  }

  const stdinBytes = (what: string): Result<Uint8Array, Failure> => {
    if (settings.secrets?.fd === 0) claim("--secrets-stdin or --password-stdin")
    const claimed = claim(what)
    return claimed.ok ? readBytes(readFd, 0) : claimed
  }

  return Object.freeze({
    given,
    ask: async (name: SecretName, question: SecretQuestion) => {
      const known = given(name)
      if (!known.ok) return known
      if (known.value !== undefined) return ok(known.value)
      if (prompter === undefined || settings.noInput) {
        return err(question.missing ?? needsTerminal(`Pass it as ${name}=… with --secrets-stdin.`))
      }
      for (;;) {
        const first = await (question.shown === true
          ? prompter.text(question.prompt)
          : prompter.hidden(question.prompt))
        if (!first.ok || question.twice !== true) return first
        const second = await prompter.hidden("Once more:")
        if (!second.ok || second.value === first.value) return second
        prompter.show("The two are not the same.")
      }
    },
    stdinBytes,
    stdin: (what: string) => {
      const bytes = stdinBytes(what)
      if (!bytes.ok) return bytes
      const text = decode(bytes.value)
      return text === undefined ? err(usage("Stdin is not UTF-8 text.")) : ok(text)
    },
  })
}

/** `name=value` lines; empty lines and lines that begin with # are left out. Values keep every space. */
export const parseSecretLines = (text: string): Result<ReadonlyMap<string, string>, Failure> => {
  const found = new Map<string, string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === "" || line.startsWith("#")) continue
    const equals = line.indexOf("=")
    const name = line.slice(0, equals)
    // The line itself is never repeated: it may be a password without its name.
    if (equals < 1) return err(usage(`Line ${index + 1} of the secrets is not name=value.`))
    if (!name.startsWith("field:") && !SECRET_NAMES.some((known) => known === name)) {
      return err(
        usage(
          `Line ${index + 1} of the secrets has an unknown name; known are ${SECRET_NAMES.join(", ")} and field:NAME.`,
        ),
      )
    }
    if (equals === line.length - 1) return err(usage(`Line ${index + 1} of the secrets has no value.`))
    if (found.has(name)) return err(usage(`Line ${index + 1} of the secrets repeats a name.`))
    found.set(name, line.slice(equals + 1))
  }
  return ok(found)
}

const readAll = (fd: number): Uint8Array => {
  const chunks: Buffer[] = []
  const wait = new Int32Array(new SharedArrayBuffer(4))
  for (let total = 0; total <= MAX_BYTES;) {
    const chunk = Buffer.alloc(64 * 1024)
    try {
      const length = readSync(fd, chunk)
      if (length === 0) break
      chunks.push(chunk.subarray(0, length))
      total += length
    } catch (error) {
      // A pipe that another program made non-blocking has nothing for us yet.
      if (!(error instanceof Error) || !("code" in error) || error.code !== "EAGAIN") throw error
      Atomics.wait(wait, 0, 0, 10)
    }
  }
  return Buffer.concat(chunks)
}

const readBytes = (readFd: (fd: number) => Uint8Array, fd: number): Result<Uint8Array, Failure> => {
  try {
    const bytes = readFd(fd)
    return bytes.length > MAX_BYTES ? err(usage("What came in is larger than 64 MiB.")) : ok(bytes)
  } catch {
    return err(usage(fd === 0 ? "Stdin could not be read." : `File descriptor ${fd} is not open for reading.`))
  }
}

const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
