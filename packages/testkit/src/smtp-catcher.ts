import { once } from "node:events"
import type { AddressInfo } from "node:net"
import PostalMime, { type Address } from "postal-mime"
import { SMTPServer } from "smtp-server"

export interface CaughtMail {
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
  /** http and https links of the text, then those only the HTML part has; in order, each once. */
  readonly links: readonly string[]
  /** As it came over the wire. */
  readonly raw: Uint8Array
}

export interface SmtpCatcher extends AsyncDisposable {
  readonly port: number
  /** `smtp://localhost:PORT`, as a server's configuration wants it. */
  readonly url: string
  readonly mails: () => readonly CaughtMail[]
  /** The first mail that fits, already here or yet to come. Throws with the subjects seen when it does not come in time. */
  readonly waitForMail: (fits: (mail: CaughtMail) => boolean, timeoutMs?: number) => Promise<CaughtMail>
  /** Refuses the next `count` mails with 451, as a busy mail server does. */
  readonly refuseNext: (count: number) => void
  readonly clear: () => void
  readonly stop: () => Promise<void>
}

/** A real SMTP server on loopback that keeps every mail and delivers none. */
export const startSmtpCatcher = async (port = 0): Promise<SmtpCatcher> => {
  const mails: CaughtMail[] = []
  const waiting = new Set<(mail: CaughtMail) => void>()
  let refusing = 0

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    logger: false,
    onAuth: (auth, _session, callback) => callback(null, { user: auth.username ?? "" }),
    onData: (stream, session, callback) => {
      const parts: Buffer[] = []
      stream.on("data", (part: Buffer) => parts.push(part))
      stream.once("error", callback)
      stream.once("end", () => {
        if (refusing > 0) {
          refusing -= 1
          callback(Object.assign(new Error("try again later"), { responseCode: 451 }))
          return
        }
        const raw = Buffer.concat(parts)
        const envelope = session.envelope
        const to = envelope.rcptTo.map((one) => one.address)
        const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address
        void readMail(raw, from, to).then((mail) => {
          mails.push(mail)
          for (const tell of waiting) tell(mail)
          callback()
        }, callback)
      })
    },
  })
  // Clients that hang up in the middle are not our concern.
  server.on("error", () => undefined)
  server.listen(port, "127.0.0.1")
  await once(server.server, "listening")
  const actualPort = (server.server.address() as AddressInfo).port

  const waitForMail = (fits: (mail: CaughtMail) => boolean, timeoutMs = 30_000): Promise<CaughtMail> => {
    const here = mails.find(fits)
    if (here !== undefined) return Promise.resolve(here)
    return new Promise((resolve, reject) => {
      const tell = (mail: CaughtMail): void => {
        if (!fits(mail)) return
        clearTimeout(timer)
        waiting.delete(tell)
        resolve(mail)
      }
      const timer = setTimeout(() => {
        waiting.delete(tell)
        const seen = mails.map((mail) => `${mail.to.join()}: ${mail.subject}`).join("; ")
        reject(new Error(`no such mail within ${timeoutMs} ms; there are: ${seen || "none"}`))
      }, timeoutMs)
      waiting.add(tell)
    })
  }

  const stop = async (): Promise<void> => {
    if (!server.server.listening) return
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  return Object.freeze({
    port: actualPort,
    url: `smtp://localhost:${actualPort}`,
    mails: () => [...mails],
    waitForMail,
    refuseNext: (count: number) => {
      refusing = count
    },
    clear: () => {
      mails.length = 0
    },
    stop,
    [Symbol.asyncDispose]: stop,
  })
}

/** Links of a text, without the punctuation that ends the sentence around them. */
export const linksIn = (text: string): readonly string[] => [
  ...new Set([...text.matchAll(/https?:\/\/[^\s<>"']+/g)].map(([link]) => link.replace(/[.,;:!?)\]]+$/, ""))),
]

const readMail = async (raw: Uint8Array, from: string, to: readonly string[]): Promise<CaughtMail> => {
  const parsed = await PostalMime.parse(raw)
  const text = parsed.text ?? ""
  const html = parsed.html ?? ""
  return {
    from: from || addressOf(parsed.from),
    to,
    subject: parsed.subject ?? "",
    text,
    html,
    headers: Object.fromEntries(parsed.headers.map(({ key, value }) => [key, value])),
    links: [...new Set([...linksIn(text), ...linksIn(html.replaceAll("&amp;", "&"))])],
    raw,
  }
}

const addressOf = (address: Address | undefined): string => address?.address ?? ""
