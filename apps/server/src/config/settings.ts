import { isIP } from "node:net"

/**
 * Every setting of the server, once: its key in the file, from which the flag (`--mail-url`) and the environment variable
 * (`KF_MAIL_URL`, or `KF_MAIL_URL_FILE` with the value in a file) follow; how it is read; what it is when nobody says
 * anything; and its line in `keyferry config docs`.
 */
export interface Setting<T> {
  readonly parse: (text: string) => T | undefined
  readonly initial: T
  readonly expects: string
  readonly about: string
  /** Never printed, and never taken from the command line, which others on the machine can read. */
  readonly secret?: boolean
}

const setting = <T>(
  initial: T,
  expects: string,
  about: string,
  parse: (text: string) => T | undefined,
  secret = false,
): Setting<T> => ({ parse, initial, expects, about, secret })

const oneOf =
  <const V extends readonly string[]>(...values: V) =>
  (text: string): V[number] | undefined =>
    values.find((value) => value === text)

const wholeNumber = (text: string): number | undefined => (/^\d{1,12}$/.test(text) ? Number(text) : undefined)

const origin = (text: string): string | undefined => {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "" || url.hash !== "")
    return undefined
  return url.username === "" && url.password === "" ? url.origin : undefined
}

const MAX_ORIGINS = 8

const origins = (text: string): readonly string[] | undefined => {
  const list = text === "" ? [] : text.split(",").map((part) => origin(part.trim()))
  return list.length <= MAX_ORIGINS && list.every((one) => one !== undefined) ? list : undefined
}

const listen = (text: string): { readonly host: string; readonly port: number } | undefined => {
  const match = /^(.+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  const host = match?.[1]?.replace(/^\[(.*)\]$/, "$1")
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

const networks = (text: string): readonly string[] | undefined => {
  const list = text === "" ? [] : text.split(",").map((part) => part.trim())
  return list.every((part) => isIP(part.split("/")[0] ?? "") !== 0 && /^[^/]+(\/\d{1,3})?$/.test(part))
    ? list
    : undefined
}

const smtp = (text: string): string | undefined => {
  const url = URL.parse(text)
  return url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== "" ? text : undefined
}

export const settings = {
  data_dir: setting("", "a folder", "Where everything is kept; mode 0700.", (t) => (t === "" ? undefined : t)),
  listen: setting({ host: "localhost", port: 8420 }, "host:port", "Address to listen on.", listen),
  public_url: setting<string | undefined>(
    undefined,
    "an origin such as https://keys.example.org",
    "The address that people use; links in mails start with it. Default: the listening address.",
    origin,
  ),
  other_origins: setting<readonly string[]>(
    [],
    "origins, separated by commas",
    "Further addresses that people use, such as one inside the house. A request signed for any other is refused.",
    origins,
  ),
  trusted_proxies: setting<readonly string[]>(
    [],
    "addresses or networks, separated by commas",
    "Proxies whose X-Forwarded-For is believed.",
    networks,
  ),
  database_url: setting<string | undefined>(
    undefined,
    "postgres://… ",
    "PostgreSQL for this server's store. Default: a SQLite file in data_dir.",
    (t) => (/^postgres(ql)?:\/\//.test(t) ? t : undefined),
    true,
  ),
  registration: setting<"open" | "invite" | "closed">(
    "invite",
    "open, invite or closed",
    "Who may sign up after the first account.",
    oneOf("open", "invite", "closed"),
  ),
  "mail.mode": setting<"auto" | "development" | "off">(
    "auto",
    "auto, development or off",
    "auto: SMTP when mail.url is set, else the development mailbox. off: no mail at all.",
    oneOf("auto", "development", "off"),
  ),
  "mail.url": setting<string | undefined>(
    undefined,
    "smtp://host:port or smtps://name:password@host",
    "The mail server.",
    smtp,
    true,
  ),
  "mail.from": setting(
    "Keyferry <keyferry@localhost>",
    "an address, optionally with a name",
    "Sender of all mails.",
    (t) => (/^[^\r\n]{3,200}$/.test(t) && t.includes("@") ? t : undefined),
  ),
  "limits.devices": setting(0, "a whole number", "Devices per account; 0 is without limit.", wholeNumber),
  "limits.items": setting(0, "a whole number", "Items per account; 0 is without limit.", wholeNumber),
  "limits.bytes": setting(0, "a whole number", "Stored bytes per account; 0 is without limit.", wholeNumber),
  "limits.rate_scale": setting(
    1,
    "a whole number from 1",
    "Multiplies every rate limit, for servers that many people reach from one address.",
    (t) => (wholeNumber(t) === 0 ? undefined : wholeNumber(t)),
  ),
  "log.level": setting<"info" | "warn" | "error" | "debug" | "silent">(
    "info",
    "debug, info, warn, error or silent",
    "How much is logged.",
    oneOf("debug", "info", "warn", "error", "silent"),
  ),
  "strongroom.kms": setting("local", "local", "Where the strongroom's outermost key comes from.", oneOf("local")),
} as const

export type Settings = { readonly [K in keyof typeof settings]: (typeof settings)[K]["initial"] }
export type SettingKey = keyof typeof settings
