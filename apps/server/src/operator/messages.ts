import type { ErrorCode } from "@keyferry/protocol"

/** What the operator's commands ask of the running server: one line of JSON each way, over a socket of mode 0600. */
export type OperatorRequest =
  | { readonly command: "invite" }
  | { readonly command: "user-ls" }
  | { readonly command: "user-reset-2fa"; readonly address: string }
  | { readonly command: "user-freeze"; readonly address: string }
  | { readonly command: "device-confirm"; readonly code: string }
  | { readonly command: "loss-ls" }
  | { readonly command: "kek-rotate" }
  | { readonly command: "loss-accept"; readonly account: string }

export type OperatorReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: { readonly code: ErrorCode; readonly detail?: string } }

export const MAX_LINE_BYTES = 1024 * 1024

export const parseOperatorRequest = (line: string): OperatorRequest | undefined => {
  const value = tryJson(line)
  if (typeof value !== "object" || value === null || !("command" in value)) return undefined
  switch (value.command) {
    case "invite":
    case "user-ls":
    case "loss-ls":
    case "kek-rotate":
      return { command: value.command }
    case "user-reset-2fa":
    case "user-freeze":
      return "address" in value && typeof value.address === "string"
        ? { command: value.command, address: value.address }
        : undefined
    case "device-confirm":
      return "code" in value && typeof value.code === "string"
        ? { command: value.command, code: value.code }
        : undefined
    case "loss-accept":
      return "account" in value && typeof value.account === "string"
        ? { command: value.command, account: value.account }
        : undefined
    default:
      return undefined
  }
}

const tryJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
