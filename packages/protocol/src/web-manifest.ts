import { err, ok, type Result } from "@keyferry/base"

/**
 * What the web app consists of, as `npm run build:web` writes it, the server serves it and `kf verify-web` compares it.
 * Source: docs/operations.md, "The web app"
 */
export interface WebManifest {
  readonly version: string
  /** By path as a browser asks for it; `/` is the page itself. */
  readonly files: ReadonlyMap<string, WebFile>
}

export interface WebFile {
  /** 64 hex digits. */
  readonly sha256: string
  readonly bytes: number
}

export const WEB_MANIFEST_FORMAT = "kf-web-manifest/1"
const PATH = /^\/(?:[\w.-]+\/)*[\w.-]*$/

const NOT_A_SCREEN =
  /^\/(?:api|assets|pages|dev|v|address|setup|errors|healthz|readyz|\.well-known)(?:\/|$)|\.[a-z0-9]+$/i

/** Whether an address may be one of the app's screens, which are all the one page. What the server answers itself is none. */
export const isScreenPath = (path: string): boolean => !NOT_A_SCREEN.test(path)

export const encodeWebManifest = (manifest: WebManifest): string =>
  `${JSON.stringify(
    {
      format: WEB_MANIFEST_FORMAT,
      version: manifest.version,
      files: Object.fromEntries([...manifest.files].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    },
    undefined,
    2,
  )}\n`

/** Errors: malformed. */
export const parseWebManifest = (text: string): Result<WebManifest, "malformed"> => {
  const parsed = parseJson(text)
  if (!isRecord(parsed) || parsed["format"] !== WEB_MANIFEST_FORMAT || !isRecord(parsed["files"]))
    return err("malformed")
  const files = new Map<string, WebFile>()
  for (const [path, file] of Object.entries(parsed["files"])) {
    if (!PATH.test(path) || path.includes("..") || !isFile(file)) return err("malformed")
    files.set(path, { sha256: file.sha256, bytes: file.bytes })
  }
  if (!files.has("/") || typeof parsed["version"] !== "string") return err("malformed")
  return ok({ version: parsed["version"], files })
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isFile = (value: unknown): value is WebFile =>
  isRecord(value) &&
  typeof value["sha256"] === "string" &&
  /^[0-9a-f]{64}$/.test(value["sha256"]) &&
  Number.isSafeInteger(value["bytes"])

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
