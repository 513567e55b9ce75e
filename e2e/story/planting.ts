import { appendFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

import { createTransport } from "nodemailer"

/*
 * The control of the search: one value written in every form that a program might use, made here by other means than the
 * search's own, and put into every kind of place that is searched.
 */
export interface PlantedForm {
  readonly form: string
  readonly bytes: Uint8Array
}

const text = (form: string, value: string): PlantedForm => ({ form, bytes: Buffer.from(value) })

/** A value of 24 printable characters in every form, each with other bytes around it. */
export const plantedForms = (value: string): readonly PlantedForm[] => {
  const raw = Buffer.from(value)
  const inside = (shift: number): Buffer => Buffer.concat([Buffer.alloc(shift, 0x2e), raw, Buffer.from("..")])
  const units = [...value].map((character) => character.charCodeAt(0).toString(16).padStart(4, "0"))
  return [
    text("as it is", `<${value}>`),
    text("hex", raw.toString("hex")),
    text("HEX", raw.toString("hex").toUpperCase()),
    ...[0, 1, 2].map((shift) => text(`base64, ${shift} bytes in`, inside(shift).toString("base64"))),
    ...[0, 1, 2].map((shift) => text(`base64url, ${shift} bytes in`, inside(shift).toString("base64url"))),
    ...[0, 1, 2, 3, 4].flatMap((shift) => [
      text(`base32, ${shift} bytes in`, base32(inside(shift), "abcdefghijklmnopqrstuvwxyz234567")),
      text(`BASE32, ${shift} bytes in`, base32(inside(shift), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
      text(`Crockford's base32, ${shift} bytes in`, base32(inside(shift), "0123456789ABCDEFGHJKMNPQRSTVWXYZ")),
    ]),
    { form: "UTF-16LE", bytes: Buffer.from(value, "utf16le") },
    { form: "UTF-16BE", bytes: Buffer.from(value, "utf16le").swap16() },
    text("JSON escapes", units.map((unit) => `\\u${unit}`).join("")),
    text("percent escapes", [...raw].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")),
    text("broken over two lines", `${value.slice(0, 11)}\r\n${value.slice(11)}`),
    text("quoted-printable", `${value.slice(0, 7)}=\r\n${value.slice(7)}`),
  ]
}

const base32 = (bytes: Uint8Array, alphabet: string): string => {
  let [held, bits, out] = [0, 0, ""]
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[(held >> (bits - 5)) & 31] ?? ""
    held &= (1 << bits) - 1
  }
  return bits > 0 ? out + (alphabet[(held << (5 - bits)) & 31] ?? "") : out
}

/** Into a SQLite store, as a program would: once as text where it is text, once as bytes. */
export const plantInStore = (file: string, { bytes }: PlantedForm): void => {
  const db = new DatabaseSync(file)
  try {
    db.exec("CREATE TABLE IF NOT EXISTS planted (n INTEGER PRIMARY KEY, value)")
    db.prepare("INSERT INTO planted (value) VALUES (?)").run(bytes)
  } finally {
    db.close()
  }
}

export const plantInLog = (file: string, { bytes }: PlantedForm): void => {
  appendFileSync(file, Buffer.concat([Buffer.from('{"level":30,"msg":"'), bytes, Buffer.from('"}\n')]))
}

/** Through a real mail client and the real catcher. */
export const plantInMail = async (smtpUrl: string, { form, bytes }: PlantedForm): Promise<void> => {
  const client = createTransport(smtpUrl)
  const head = `From: control@example.org\r\nTo: control@example.org\r\nSubject: control: ${form}\r\nMIME-Version: 1.0\r\n`
  const body = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
  await client.sendMail({
    envelope: { from: "control@example.org", to: "control@example.org" },
    raw: Buffer.concat([Buffer.from(head + body), bytes, Buffer.from("\r\n")]),
  })
  client.close()
}

/** Over a wire, as the body of a request. */
export const plantInTraffic = async (origin: string, { bytes }: PlantedForm): Promise<void> => {
  await fetch(origin, { method: "POST", body: Buffer.from(bytes) }).catch(() => undefined)
}
