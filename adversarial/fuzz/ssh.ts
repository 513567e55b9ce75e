import { concatBytes, equalBytes, u32be } from "@keyferry/base"
import {
  createAgent,
  createAgentLock,
  generateSshKey,
  MAX_FRAME_BYTES,
  parsePrivateKey,
  parsePublicKey,
  parsePublicKeyLine,
  publicKeyLine,
  purposeOf,
  signWithKey,
  verifySignature,
} from "@keyferry/ssh-agent"

import { createFrameReader, encodeFrame } from "../../packages/ssh-agent/src/frames.ts"
import { encodeOpensshKey } from "../../packages/ssh-agent/src/openssh-key.ts"
import { wireBool, wireString } from "../../packages/ssh-agent/src/wire.ts"
import { diceOf, makeBytes, makeText, mutateBytes } from "./engine/mutate.ts"
import { fileOf, type FuzzTarget, promise } from "./engine/target.ts"

const texts = (["ed25519", "ecdsa-p256", "ecdsa-p521", "rsa-3072"] as const).map((type) =>
  generateSshKey(type, "a comment"),
)
const keys = texts.map(({ privateKey }) => {
  const parsed = parsePrivateKey(privateKey)
  if (!parsed.ok) throw new Error(parsed.error.code)
  return parsed.value
})
const [key, hostKey] = keys
if (key === undefined || hostKey === undefined) throw new Error("ssh fixture")

const session = new Uint8Array(32).fill(7)
const signature = signWithKey(hostKey, session, 0)
if (!signature.ok) throw new Error("ssh fixture")
const login = concatBytes(
  wireString(session),
  Uint8Array.of(50),
  wireString("ada"),
  wireString("ssh-connection"),
  wireString("publickey"),
  wireBool(true),
  wireString(key.algorithm),
  wireString(key.blob),
)
const bind = concatBytes(
  Uint8Array.of(27),
  wireString("session-bind@openssh.com"),
  wireString(hostKey.blob),
  wireString(session),
  wireString(signature.value),
  wireBool(false),
)
const messages = [
  Uint8Array.of(11),
  bind,
  concatBytes(Uint8Array.of(13), wireString(key.blob), wireString(login), u32be(0)),
  concatBytes(Uint8Array.of(13), wireString(key.blob), wireString("SSHSIG\0\0\0\u0003git"), u32be(4)),
  concatBytes(Uint8Array.of(18), wireString(key.blob)),
  Uint8Array.of(19),
  concatBytes(Uint8Array.of(22), wireString("a passphrase")),
  concatBytes(Uint8Array.of(23), wireString("a passphrase")),
  concatBytes(Uint8Array.of(17), wireString(key.algorithm), wireString("x")),
]

const newAgent = () => {
  const signer = {
    keys: async () => [{ blob: key.blob, comment: "one", hostKeys: [] }],
    sign: async (request: { readonly message: Uint8Array; readonly flags: number }) => {
      const made = signWithKey(key, request.message, request.flags)
      return made.ok ? made.value : undefined
    },
  }
  return createAgent(
    signer,
    createAgentLock(async () => undefined),
  )
}

const curves = texts.map(({ publicKey }) => publicKey)
const pkcs8: readonly (string | Buffer)[] = keys.map((one) => one.privateKey.export({ format: "pem", type: "pkcs8" }))

export const targets: readonly FuzzTarget[] = [
  {
    name: "agent-frames",
    make: makeBytes([concatBytes(...messages.map(encodeFrame)), encodeFrame(new Uint8Array(3000))]),
    run: (input) => {
      const dice = diceOf(input)
      const whole = createFrameReader().push(input)
      // However the bytes are cut, the same messages come out.
      const reader = createFrameReader()
      const pieces: Uint8Array[] = []
      let isRefused = false
      for (let at = 0; at < input.length && !isRefused;) {
        const to = at + 1 + dice.below(64)
        const got = reader.push(input.subarray(at, to))
        if (got === undefined) isRefused = true
        else pieces.push(...got)
        at = to
      }
      if (input.length === 0) return
      if (whole === undefined) promise(isRefused, "refused whole, accepted in pieces")
      else {
        promise(!isRefused && whole.length === pieces.length, "other messages in pieces")
        promise(
          whole.every((one, i) => equalBytes(one, pieces[i] ?? input) && one.length <= MAX_FRAME_BYTES),
          "other bytes in pieces",
        )
      }
    },
  },
  {
    name: "agent-messages",
    // A whole conversation: what a message may do depends on the ones before it.
    make: (dice) => {
      const said = Array.from({ length: 1 + dice.below(5) }, () => {
        const message = dice.pick(messages)
        return encodeFrame(dice.chance(3) ? message : mutateBytes(dice, message, messages))
      })
      return concatBytes(...said.filter((frame) => frame.length > 4))
    },
    run: async (input) => {
      const conversation = createFrameReader().push(input) ?? []
      const opened = newAgent().openSession()
      for (const message of conversation) {
        const answer = await opened.answer(message)
        promise(answer.length > 0 && answer.length <= MAX_FRAME_BYTES, "an answer that no client can read")
        promise([5, 6, 12, 14, 28].includes(answer[0] ?? 0), `an answer of type ${answer[0]}`)
      }
    },
  },
  {
    name: "key-files",
    make: (dice) => {
      if (dice.chance(2))
        return makeText(
          [
            ...texts.map((one) => one.privateKey),
            ...pkcs8.map((pem) => pem.toString()),
            "PuTTY-User-Key-File-3: ssh-rsa\n",
          ],
          ["-----BEGIN", "\n", "A", "="],
        )(dice)
      // Changed inside the armour, where the numbers are.
      const text = dice.pick(texts).privateKey
      const [begin = "", ...rest] = text.trim().split("\n")
      const end = rest.pop() ?? ""
      const inner = mutateBytes(dice, new Uint8Array(Buffer.from(rest.join(""), "base64")))
      return new Uint8Array(Buffer.from(`${begin}\n${Buffer.from(inner).toString("base64")}\n${end}\n`, "utf16le"))
    },
    run: (input) => {
      const text = Buffer.from(fileOf(input)).toString("utf8")
      for (const passphrase of [undefined, "x"]) {
        const parsed = parsePrivateKey(text, passphrase)
        if (!parsed.ok) {
          promise(parsed.error.code.startsWith("key-"), `undeclared ${parsed.error.code}`)
          continue
        }
        const again = parsePrivateKey(encodeOpensshKey(parsed.value))
        promise(again.ok && equalBytes(again.value.blob, parsed.value.blob), "a key that is written as another")
        const message = new Uint8Array(9)
        const signed = signWithKey(parsed.value, message, 4)
        const publicKey = parsePublicKey(parsed.value.blob)
        promise(
          publicKey.ok && signed.ok && verifySignature(publicKey.value, message, signed.value),
          "a key that does not fit itself",
        )
      }
    },
  },
  {
    name: "public-keys",
    make: (dice) =>
      dice.chance(2)
        ? makeText(curves, ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "-cert-v01@openssh.com", "AAAA", "= "])(
            dice,
          )
        : new Uint8Array(
            Buffer.from(`k${Buffer.from(mutateBytes(dice, dice.pick(keys).blob)).toString("base64")}`, "utf16le"),
          ),
    run: (input) => {
      const text = Buffer.from(fileOf(input)).toString("utf8")
      const blob = new Uint8Array(Buffer.from(text.slice(1), "base64"))
      const parsed = parsePublicKey(blob)
      if (parsed.ok && !parsed.value.isCertificate) {
        const line = parsePublicKeyLine(publicKeyLine(parsed.value, "c"))
        promise(line.ok && equalBytes(line.value.blob, parsed.value.blob), "a key whose line is another key")
      }
      parsePublicKeyLine(text)
      purposeOf(blob)
    },
  },
]
