import type {
  AccountLogLine,
  DeviceInfo,
  EnrolmentState,
  ItemSummary,
  ItemView,
  Kit,
  PasskeyInfo,
  RotationEntry,
  Status,
} from "@keyferry/sdk"

/*
 * Values as an engine answers them, written once. Times count back from a fixed noon, which the gallery's clock shows too.
 */
export const NOW_MS = Date.UTC(2026, 10, 20, 12, 0, 0)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const ORIGIN = "https://keys.example.com"

export const account = (over: Partial<NonNullable<Status["account"]>> = {}): NonNullable<Status["account"]> => ({
  id: "acc_aeaqcaibaeaqcaibaeaqcaibae",
  digits: "20417 66382 91055 48823",
  address: "ada@example.com",
  server: ORIGIN,
  serverWords: "signal width gold derby",
  deviceId: "dev_firefox",
  deviceName: "Firefox on Linux",
  deviceState: "active",
  factors: ["totp"],
  frozen: false,
  syncSuspended: false,
  ...over,
})

export const syncUp = (over: Partial<Status["sync"]> = {}): Status["sync"] => ({
  on: true,
  state: "up-to-date",
  lastSyncMs: NOW_MS - 2 * MINUTE,
  waiting: 0,
  conflicts: 0,
  synced: 15,
  localOnly: 3,
  autoNew: true,
  credentials: true,
  ...over,
})

export const none: Status = {
  mode: "none",
  lock: "no-vault",
  sync: syncUp({ on: false, state: "off", synced: 0, localOnly: 0, autoNew: false }),
}
export const local: Status = {
  mode: "local",
  lock: "unlocked",
  sync: syncUp({ on: false, state: "off", synced: 0, localOnly: 18, autoNew: false }),
}
export const synced: Status = {
  mode: "account",
  lock: "unlocked",
  account: account(),
  sync: syncUp(),
  lastContactMs: NOW_MS - MINUTE,
  graceUntilMs: NOW_MS + 22 * HOUR,
}

export const device = (over: Partial<DeviceInfo>): DeviceInfo => ({
  id: "dev_other",
  name: "Ada’s ThinkPad",
  platform: "kf 0.1.0, Linux",
  state: "active",
  isThis: false,
  how: "device",
  addedAtMs: NOW_MS - 90 * DAY,
  lastSeenMs: NOW_MS - 2 * MINUTE,
  oldKit: false,
  ...over,
})

export const devices: readonly DeviceInfo[] = [
  device({
    id: "dev_firefox",
    name: "Firefox on Linux",
    platform: "Firefox 153, Linux",
    isThis: true,
    how: "first",
    addedAtMs: NOW_MS - 120 * DAY,
    lastSeenMs: NOW_MS,
  }),
  device({ id: "dev_thinkpad" }),
  device({
    id: "dev_desk",
    name: "Chrome @ desk",
    platform: "Chrome 156, Windows",
    addedAtMs: NOW_MS - 60 * DAY,
    lastSeenMs: NOW_MS - 20 * HOUR,
    how: "kit",
  }),
  device({
    id: "dev_phone",
    name: "Phone",
    platform: "Chrome 156, Android",
    addedAtMs: NOW_MS - 50 * DAY,
    lastSeenMs: NOW_MS - 41 * DAY,
    oldKit: true,
  }),
]

export const everyDevice: readonly DeviceInfo[] = [
  ...devices,
  device({
    id: "dev_locked",
    name: "Old laptop",
    platform: "kf 0.1.0, Linux",
    state: "lease-locked",
    lastSeenMs: NOW_MS - 3 * DAY,
  }),
  device({
    id: "dev_approved",
    name: "Tablet",
    platform: "Safari 26, iPadOS",
    state: "approved",
    lastSeenMs: NOW_MS - MINUTE,
  }),
  device({ id: "dev_removed", name: "Lost laptop", state: "removed", lastSeenMs: NOW_MS - 12 * DAY }),
  device({ id: "dev_retired", name: "Work browser", state: "retired", lastSeenMs: NOW_MS - 30 * DAY }),
  device({ id: "dev_rejected", name: "Chrome on Windows", state: "rejected", how: "none" }),
  device({ id: "dev_expired", name: "Firefox on macOS", state: "expired", how: "none" }),
  device({
    id: "dev_waits",
    name: "Chrome on Windows",
    platform: "Chrome 156, Windows",
    state: "pending",
    how: "none",
    addedAtMs: NOW_MS - 2 * MINUTE,
    lastSeenMs: NOW_MS,
  }),
  device({
    id: "dev_confirmed",
    name: "Firefox on Android",
    platform: "Firefox 153, Android",
    state: "confirmed",
    how: "none",
    addedAtMs: NOW_MS - 6 * MINUTE,
    lastSeenMs: NOW_MS,
  }),
]

export const waitingDevices: readonly DeviceInfo[] = [
  ...devices,
  device({
    id: "dev_waits",
    name: "Chrome on Windows",
    platform: "Chrome 156, Windows",
    state: "pending",
    how: "none",
    addedAtMs: NOW_MS - 2 * MINUTE,
    lastSeenMs: NOW_MS,
  }),
]

const item = (
  n: number,
  kind: string,
  title: string,
  summary: string,
  over: Partial<ItemSummary> = {},
): ItemSummary => ({
  id: `itm_${String(n).padStart(26, "a")}`,
  vault: "vlt_personal",
  kind,
  title,
  summary,
  tags: [],
  policy: "synced",
  class: kind === "exchange-key" ? "strict" : "standard",
  rev: 2,
  updatedAtMs: NOW_MS - n * 7 * HOUR,
  custody: "synced",
  conflicts: 0,
  ...over,
})

const onlyHere = { policy: "local-only", custody: "local" } as const

export const anItem = item(1, "note", "", "")

export const items: readonly ItemSummary[] = [
  item(1, "exchange-key", "Bybit – main", "Bybit · read, trade", { updatedAtMs: NOW_MS - 2 * HOUR, tags: ["desk"] }),
  item(2, "exchange-key", "Binance – sub-03", "Binance · sub-03 · trade"),
  item(3, "exchange-key", "OKX – cold", "OKX · read, withdraw", { ...onlyHere }),
  item(4, "exchange-key", "Bitget – arb", "Bitget · read", { conflicts: 1, updatedAtMs: NOW_MS - 5 * MINUTE }),
  item(5, "exchange-key", "Hyperliquid agent", "Hyperliquid · trade", {
    custody: "waiting",
    updatedAtMs: NOW_MS - 30_000,
  }),
  item(6, "exchange-key", "Kraken – tax export", "Kraken · read"),
  item(7, "ssh-key", "deploy-2026", "deploy@bastion · SHA256:B8x8aR1FCsVUn01Hgc9nVYUDqSXXNBbd2ICKZVMFXpM"),
  item(8, "ssh-key", "prod-bastion", "ops@example.net · SHA256:q0mWl5P8kQn2JHk1JmV0aZ7kqkXW3b9fEo7Yx0a1b2c", {
    ...onlyHere,
    updatedAtMs: NOW_MS - 200 * DAY,
  }),
  item(9, "login", "Example shop", "ada@example.com · shop.example.com"),
  item(10, "login", "Mailbox", "ada@example.com · mail.example.com"),
  item(11, "api-token", "AWS deploy", "AWS · AKIAIOSFODNN7EXAMPLE", { tags: ["ci"] }),
  item(12, "env-set", "web/.env", "DATABASE_URL, MODE, SENTRY_DSN and 4 more"),
  item(13, "identity", "Deploy", "deploy"),
  item(14, "note", "Recovery codes of the registrar", ""),
  item(15, "host", "Bastion", "bastion.example.net:22"),
  item(
    16,
    "host",
    "Build box with a very long name that does not fit into one line of a telephone",
    "build-17.internal.example.net:2222",
  ),
  item(17, "snippet", "Disk use", "What fills the disk"),
  item(18, "exchange-key", "Gate – grid bots", "Gate · trade", { ...onlyHere, updatedAtMs: NOW_MS - 9 * DAY }),
]

/** The same on a browser without an account: everything is here and nowhere else. */
export const localItems: readonly ItemSummary[] = items.map((one) => ({ ...one, ...onlyHere, conflicts: 0 }))

export const manyItems = (n: number): readonly ItemSummary[] =>
  Array.from({ length: n }, (_, at) => {
    const base = items[at % items.length] ?? anItem
    return {
      ...base,
      id: `itm_${String(at).padStart(26, "b")}`,
      title: `${base.title} ${at + 1}`,
      conflicts: 0,
      updatedAtMs: NOW_MS - at * 11 * MINUTE,
    }
  })

const values: Readonly<Record<string, readonly (readonly [string, string, boolean])[]>> = {
  "exchange-key": [
    ["exchange", "bybit", false],
    ["key", "bX3kT0Ol1I9QvA7mZe", false],
    ["secret", "q7WmT0Ol1IzR4vXk9Yb2Nc8Hd5Js6Ft3Gp", true],
    ["permissions", "read, trade", false],
    ["ip-allow-list", "203.0.113.7\n203.0.113.8", false],
    ["expires-at", "2026-12-01", false],
  ],
  login: [
    ["username", "ada@example.com", false],
    ["password", "correct horse battery staple", true],
    ["url", "https://shop.example.com/login", false],
  ],
  "ssh-key": [
    [
      "private-key",
      "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEgcmVhbCBrZXk=\n-----END OPENSSH PRIVATE KEY-----\n",
      true,
    ],
    [
      "public-key",
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERERE deploy@example.com",
      false,
    ],
    ["comment", "deploy@example.com", false],
  ],
  host: [
    ["address", "bastion.example.net", false],
    ["port", "22", false],
    ["credential", "itm_aaaaaaaaaaaaaaaaaaaaaaaa13", false],
  ],
  note: [["text", "1111-2222\n3333-4444", true]],
}

export const viewOf = (summary: ItemSummary): ItemView => {
  const fields = (values[summary.kind] ?? [["token", "not-a-real-token-0O1lI", true]]).map(([name, value, secret]) => ({
    name,
    value,
    secret,
  }))
  const withdraws = /withdraw/.test(summary.summary)
  return {
    ...summary,
    createdAtMs: NOW_MS - 71 * DAY,
    fields: fields.map((field) =>
      field.name === "permissions" && withdraws
        ? { ...field, value: "read, withdraw" }
        : field.name === "exchange"
          ? { ...field, value: summary.summary.split(" · ")[0] ?? "bybit" }
          : field,
    ),
    alternatives:
      summary.conflicts > 0
        ? [{ field: "secret", value: "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp", deviceId: "dev_thinkpad", rev: 3 }]
        : [],
  }
}

export const rotation: readonly RotationEntry[] = [
  {
    itemId: items[2]?.id ?? "",
    kind: "exchange-key",
    title: "OKX – cold",
    harm: "withdraws",
    why: "Can move funds out. It was opened there.",
  },
  {
    itemId: items[0]?.id ?? "",
    kind: "exchange-key",
    title: "Bybit – main",
    harm: "trades",
    why: "Can trade. Closed there for ever, unless the device was open when it was lost.",
  },
  {
    itemId: items[1]?.id ?? "",
    kind: "exchange-key",
    title: "Binance – sub-03",
    harm: "trades",
    why: "",
    doneAtMs: NOW_MS - HOUR,
  },
  {
    itemId: items[6]?.id ?? "",
    kind: "ssh-key",
    title: "deploy-2026",
    harm: "signs-in",
    why: "Opens every machine that knows its public key. Readable there with that device's password.",
  },
  {
    itemId: items[5]?.id ?? "",
    kind: "exchange-key",
    title: "Kraken – tax export",
    harm: "reads",
    why: "Reads balances and orders. Closed there for ever, unless the device was open when it was lost.",
  },
]

export const kit: Kit = {
  code: "KF1-7H2K-M9QX-MT4R-BZDW-8V5C-6NYP-AE2J-GF7H-3K9M",
  accountDigits: "20417 66382 91055 48823",
  serverWords: "signal width gold derby",
  address: "ada@example.com",
  server: ORIGIN,
}

export const enrolment = (over: Partial<EnrolmentState> = {}): EnrolmentState => ({
  purpose: "login",
  step: "second-factor",
  address: "ada@example.com",
  server: ORIGIN,
  state: "pending",
  approver: true,
  factors: ["totp"],
  ...over,
})

export const OTPAUTH =
  "otpauth://totp/Keyferry:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Keyferry"
export const CODES = [
  "7h2k-9qxm",
  "t4rb-zdw8",
  "v5c6-nypa",
  "e2jg-f7h3",
  "k9m2-w4xq",
  "b6n8-c3vz",
  "q1s5-d7fg",
  "h8j2-k4lp",
  "r9t3-y6wm",
  "x2c4-v8bn",
]

const passkey = (over: Partial<PasskeyInfo>): PasskeyInfo => ({
  id: "pk_1",
  label: "YubiKey",
  signsIn: true,
  unlocks: false,
  address: "keys.example.com",
  here: true,
  backedUp: false,
  createdAtMs: NOW_MS - 50 * DAY,
  lastUsedAtMs: NOW_MS - 8 * DAY,
  ...over,
})

export const passkeys: readonly PasskeyInfo[] = [
  passkey({ id: "pk_2", label: "Laptop’s fingerprint reader", unlocks: true, lastUsedAtMs: NOW_MS - 3 * HOUR }),
  passkey({}),
  passkey({ id: "pk_3", label: "Old address", here: false, address: "old.example.com", lastUsedAtMs: 0 }),
]

/** The server's log of the account, newest first; the last kind is one that this app has no words for. */
export const accountLog: readonly AccountLogLine[] = [
  { atMs: NOW_MS - 4 * 60_000, kind: "device-pending", deviceId: "dev_waits", detail: "Chrome 156, Windows" },
  { atMs: NOW_MS - 5 * 60_000, kind: "second-factor-passed" },
  { atMs: NOW_MS - 6 * 60_000, kind: "second-factor-wrong" },
  { atMs: NOW_MS - 7 * 60_000, kind: "signed-in" },
  { atMs: NOW_MS - 26 * HOUR, kind: "device-approved", deviceId: "dev_desk" },
  { atMs: NOW_MS - 27 * HOUR, kind: "link-mailed" },
  { atMs: NOW_MS - 3 * DAY, kind: "passkey-added", deviceId: "dev_firefox" },
  { atMs: NOW_MS - 12 * DAY, kind: "kit-replaced", deviceId: "dev_firefox" },
  { atMs: NOW_MS - 12 * DAY, kind: "key-rotated" },
  { atMs: NOW_MS - 20 * DAY, kind: "device-removed", deviceId: "dev_no_longer_known" },
  { atMs: NOW_MS - 21 * DAY, kind: "something-of-a-newer-server" },
]
