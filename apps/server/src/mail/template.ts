/** What a template may be given: short texts, none of them secret but a link. */
export type MailFields = Readonly<Record<string, string>>

export interface Letter {
  readonly subject: string
  readonly body: string
}

/** One kind of mail. `write` must not need anything but its fields and the server's name. */
export interface MailTemplate<F extends MailFields = MailFields> {
  readonly name: string
  readonly write: (fields: F) => Letter
}

export const defineTemplate = <F extends MailFields>(template: MailTemplate<F>): MailTemplate<F> =>
  Object.freeze(template)

/** Paragraphs, one blank line between them, and the closing line of every mail. */
export const paragraphs = (...texts: readonly string[]): string =>
  `${texts.join("\n\n")}\n\n--\nThis server never asks for your password or your kit by mail.\n`
