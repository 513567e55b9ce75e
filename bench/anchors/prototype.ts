import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { connect } from "node:net"

/** A client of the ceiling prototype: AES-GCM, frames, nothing else. */
export interface PrototypeClient {
  readonly push: (vault: number, texts: readonly string[]) => Promise<void>
  readonly listen: (vault: number, onText: (text: string) => void) => Promise<void>
  /** Gives plaintexts and the bytes that came. */
  readonly pull: (vault: number) => Promise<{ readonly texts: readonly string[]; readonly bytes: number }>
  readonly close: () => void
}

const KEY = Buffer.alloc(32, 7)

const seal = (text: string): Buffer => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", KEY, nonce)
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()])
}
const open = (ct: Buffer): string => {
  const decipher = createDecipheriv("aes-256-gcm", KEY, ct.subarray(0, 12), { authTagLength: 16 })
  decipher.setAuthTag(ct.subarray(-16))
  return Buffer.concat([decipher.update(ct.subarray(12, -16)), decipher.final()]).toString("utf8")
}
const withLength = (body: Buffer): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}
const vaultFrame = (type: number, vault: number, ...rest: readonly Buffer[]): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeUInt32BE(vault, 1)
  return withLength(Buffer.concat([head, ...rest]))
}

export const connectPrototype = (port: number): Promise<PrototypeClient> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true })
    socket.once("error", reject)
    let held: Buffer = Buffer.alloc(0)
    const answers: ((body: Buffer) => void)[] = []
    let heard: ((text: string) => void) | undefined
    socket.on("data", (chunk: Buffer) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
        const length = held.readUInt32BE(0)
        const body = held.subarray(4, 4 + length)
        held = held.subarray(4 + length)
        if (body[0] === 3 && body.length > 7) heard?.(open(body.subarray(7)))
        else answers.shift()?.(body)
      }
    })
    const ask = (request: Buffer): Promise<Buffer> =>
      new Promise((answer) => {
        answers.push(answer)
        socket.write(request)
      })
    socket.once("connect", () =>
      resolve({
        push: async (vault, texts) =>
          void (await ask(
            vaultFrame(1, vault, ...texts.map((text) => withLength(Buffer.concat([randomBytes(16), seal(text)])))),
          )),
        listen: async (vault, onText) => {
          heard = onText
          await ask(vaultFrame(3, vault))
        },
        pull: async (vault) => {
          const body = await ask(vaultFrame(2, vault, Buffer.alloc(6)))
          const texts: string[] = []
          for (let at = 1; at < body.length;) {
            const length = body.readUInt32BE(at)
            texts.push(open(body.subarray(at + 4, at + 4 + length)))
            at += 4 + length
          }
          return { texts, bytes: body.length }
        },
        close: () => socket.destroy(),
      }),
    )
  })
