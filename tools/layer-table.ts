/**
 * The arrows between packages. Adding one is a decision: change it here, run `node tools/layers.ts --write`, and say why
 * in the commit.
 */
export interface Package {
  readonly folder: string
  readonly app?: true
  /** False while the folder is only planned. */
  readonly exists?: false
  readonly may: readonly string[]
  /** What the table in the document says about libraries; package.json has the names. */
  readonly outside: string
  /** Libraries that only one file (or folder) may import. */
  readonly behind: Readonly<Record<string, string>>
  /** Where `node:` may be imported: everywhere, or below these paths. Everything else must run in a browser too. */
  readonly node: "everywhere" | readonly string[]
}

const one = (folder: string, may: readonly string[], outside: string, rest: Partial<Package> = {}): Package => ({
  folder,
  may,
  outside,
  behind: {},
  node: [],
  ...rest,
})

const edge = { node: "everywhere" } as const
const app = { node: "everywhere", app: true } as const

export const packages: Readonly<Record<string, Package>> = {
  base: one("packages/base", [], "none"),
  crypto: one("packages/crypto", ["base"], "the noble libraries, the HPKE library, the OPAQUE library", {
    node: ["src/primitives/node"],
  }),
  chain: one("packages/chain", ["crypto", "base"], "none"),
  protocol: one("packages/protocol", ["base"], "none"),
  items: one("packages/items", ["base"], "none"),
  importers: one("packages/importers", ["items", "base"], "file-format readers (zip, dotenv, age), the cipher of age"),
  engine: one("packages/engine", ["chain", "crypto", "protocol", "base"], "none"),
  sdk: one(
    "packages/sdk",
    ["engine", "chain", "crypto", "protocol", "items", "importers", "base"],
    "a wrapper of browser storage",
    { node: ["src/node/"], behind: { idb: "src/browser/" } },
  ),
  "ssh-agent": one("packages/ssh-agent", ["base"], "none", edge),
  store: one("packages/store", ["base"], "query layer, database drivers", edge),
  "strongroom-api": one("packages/strongroom-api", ["base", "protocol"], "none", edge),
  testkit: one(
    "packages/testkit",
    [
      "base",
      "crypto",
      "chain",
      "protocol",
      "items",
      "importers",
      "engine",
      "sdk",
      "ssh-agent",
      "store",
      "strongroom-api",
    ],
    "a mail server and a mail parser; imported by tests only",
    edge,
  ),
  server: one(
    "apps/server",
    ["protocol", "strongroom-api", "store", "base"],
    "HTTP framework, mail, metrics, logging",
    app,
  ),
  strongroom: one(
    "apps/strongroom",
    ["strongroom-api", "store", "chain", "crypto", "protocol", "base"],
    "one KMS library per provider, loaded only if configured; one-time codes; WebAuthn",
    app,
  ),
  cli: one("apps/cli", ["sdk", "ssh-agent", "items", "base"], "terminal", app),
  web: one("apps/web", ["sdk", "items", "base"], "user interface", { app: true, node: ["gallery/"] }),
}

export interface Arrow {
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly reason: string
}

export const arrows: readonly Arrow[] = [
  {
    from: ["server"],
    to: ["items", "importers"],
    reason: "the server must not be able to name a plaintext field",
  },
  {
    from: ["server"],
    to: ["crypto", "chain", "engine", "sdk"],
    reason:
      "the server holds no key that opens an item, and no code that could; device signatures are checked in the strongroom",
  },
  {
    from: ["strongroom"],
    to: ["items", "importers", "engine", "sdk"],
    reason: "it verifies signatures and keeps ciphertext; it cannot name what it keeps",
  },
  {
    from: ["web", "cli", "sdk"],
    to: ["strongroom-api"],
    reason: "nothing outside the server may speak to the strongroom",
  },
]

export const forbidden = {
  engineInOut: "same inputs, same outputs; the engine is tested by replay",
  node: "this package must run in a browser too; what needs Node comes in as a parameter",
  hazmat: "raw ciphers are not an API",
  app: "apps are leaves",
  testkit: "testkit is for tests only",
} as const

export const insideApps: readonly {
  readonly app: string
  readonly from: string
  readonly to: readonly string[]
  readonly reason: string
}[] = [
  {
    app: "server",
    from: "store",
    to: ["service", "http"],
    reason: "the store contains no decision; arrows point down",
  },
  { app: "server", from: "service", to: ["http"], reason: "a service knows no request object; arrows point down" },
  {
    app: "server",
    from: "policy",
    to: ["http", "service", "store", "feed", "mail"],
    reason: "policy is pure: it imports base and protocol only",
  },
  { app: "strongroom", from: "store", to: ["calls"], reason: "the store contains no decision; arrows point down" },
  { app: "strongroom", from: "kms", to: ["calls", "store"], reason: "a provider wraps keys and knows nothing else" },
]
