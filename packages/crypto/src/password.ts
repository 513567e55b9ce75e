import { utf8 } from "@keyferry/base"

/** One spelling of a password: Unicode NFC, as keyboards differ in how they compose letters. Source   spec/keys.md KE5 */
export const passwordText = (password: string): string => password.normalize("NFC")

export const passwordBytes = (password: string): Uint8Array => utf8(passwordText(password))
