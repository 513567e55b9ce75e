import { createTransport } from "nodemailer"

import type { Letter } from "./template.ts"

export interface OutgoingMail extends Letter {
  readonly id: string
  readonly to: string
}

/** Hands one mail on. Throws when it was not taken; the queue tries again. */
export interface MailTransport {
  readonly mode: "smtp" | "development" | "off"
  readonly send: (mail: OutgoingMail) => Promise<void>
  readonly close: () => void
}

const TIMEOUT_MS = 20_000

export const createSmtpTransport = (url: string, from: string): MailTransport => {
  const smtp = createTransport(url, {
    from,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // Nothing in a mail may make the mailer read a file or fetch an address.
    disableFileAccess: true,
    disableUrlAccess: true,
  } as never)
  return Object.freeze({
    mode: "smtp",
    send: async ({ id, to, subject, body }: OutgoingMail) => {
      await smtp.sendMail({
        from,
        to,
        subject,
        text: body,
        messageId: `<${id}@keyferry>`,
        headers: { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" },
      })
    },
    close: () => smtp.close(),
  })
}

/** Keeps mails for the page at /dev/mailbox. */
export const createDevelopmentTransport = (keep: (mail: OutgoingMail) => Promise<void>): MailTransport =>
  Object.freeze({ mode: "development", send: keep, close: () => undefined })

/** No mail at all: devices are confirmed by another device or by the operator. */
export const noTransport: MailTransport = Object.freeze({
  mode: "off",
  send: () => Promise.reject(new Error("mail is off")),
  close: () => undefined,
})
