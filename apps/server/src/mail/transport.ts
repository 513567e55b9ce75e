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
  let opened: Promise<Mailer> | undefined
  return Object.freeze({
    mode: "smtp",
    send: async ({ id, to, subject, body }: OutgoingMail) => {
      opened ??= openMailer(url, from)
      const smtp = await opened
      await smtp.sendMail({
        from,
        to,
        subject,
        text: body,
        messageId: `<${id}@keyferry>`,
        headers: { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" },
      })
    },
    close: () => void opened?.then((smtp) => smtp.close()),
  })
}

type Mailer = ReturnType<typeof import("nodemailer").createTransport>

/** Loaded with the first mail, so that a start does not read a library that it may never use. */
const openMailer = async (url: string, from: string): Promise<Mailer> => {
  const { createTransport } = await import("nodemailer")
  return createTransport(url, {
    from,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // Nothing in a mail may make the mailer read a file or fetch an address.
    disableFileAccess: true,
    disableUrlAccess: true,
  } as never)
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
