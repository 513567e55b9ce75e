const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Firefox\/(\d+)/, "Firefox"],
  [/Edg\/(\d+)/, "Edge"],
  [/Chrom(?:e|ium)\/(\d+)/, "Chrome"],
  [/Version\/(\d+).*Safari/, "Safari"],
]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Mac OS X/, "macOS"],
  [/Windows/, "Windows"],
  [/Linux/, "Linux"],
]

/** "Linux · Firefox 153", for lists of devices; nothing is decided by it. */
export const browserName = (userAgent: string): string => {
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1] ?? "Unknown system"
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1]
    if (version !== undefined) return `${system} · ${name} ${version}`
  }
  return `${system} · Browser`
}
