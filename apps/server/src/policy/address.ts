import { err, ok, type Result } from "@keyferry/base"

export interface Address {
  /** As typed, without blanks around it. */
  readonly text: string
  /** What is compared. */
  readonly key: string
}

/** Errors: malformed. It checks only what could never be a mailbox; the confirmation mail decides the rest. */
export const parseAddress = (input: string): Result<Address, "malformed"> => {
  const text = input.trim()
  const key = text.normalize("NFKC").toLowerCase()
  // No blanks or control characters: the text goes into a mail header.
  if (
    text.length > 254 ||
    !/^[^\s@"<>,;:\\()[\]\u0000-\u001f\u007f]{1,64}@[^\s@"<>,;:\\()[\]\u0000-\u001f\u007f]{1,189}$/u.test(key)
  )
    return err("malformed")
  return ok({ text, key })
}

/** For screens and logs of somebody who may not own the address: `a…@e….org`. */
export const maskAddress = (address: string): string => {
  const [name = "", host = ""] = address.split("@")
  const dot = host.lastIndexOf(".")
  return `${[...name][0] ?? ""}…@${[...host][0] ?? ""}…${dot > 0 ? host.slice(dot) : ""}`
}
