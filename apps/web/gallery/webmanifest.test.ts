import { readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

const PUBLIC = join(import.meta.dirname, "../public")

interface Icon {
  readonly src: string
  readonly sizes: string
  readonly type: string
  readonly purpose?: string
}

/** Width and height stand in the first chunk of every PNG. */
const sizeOfPng = (bytes: Buffer): string => `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`

test("the app can be installed: its manifest names icons that are there, in the sizes that it says, all of this origin", () => {
  const manifest = JSON.parse(readFileSync(join(PUBLIC, "keyferry.webmanifest"), "utf8")) as {
    readonly start_url: string
    readonly scope: string
    readonly display: string
    readonly icons: readonly Icon[]
    readonly shortcuts: readonly { readonly url: string }[]
  }
  expect([manifest.start_url, manifest.scope, manifest.display]).toEqual(["/", "/", "standalone"])
  const png = manifest.icons.filter(({ type }) => type === "image/png")
  expect(png.map(({ src, sizes }) => [src, sizeOfPng(readFileSync(join(PUBLIC, src))), sizes])).toEqual(
    png.map(({ src, sizes }) => [src, sizes, sizes]),
  )
  expect(png.map(({ sizes, purpose }) => `${sizes} ${purpose ?? "any"}`)).toEqual([
    "192x192 any",
    "512x512 any",
    "512x512 maskable",
  ])
  for (const path of [...manifest.icons.map(({ src }) => src), ...manifest.shortcuts.map(({ url }) => url)])
    expect(path).toMatch(/^\/[^/]/)
  const page = readFileSync(join(import.meta.dirname, "../index.html"), "utf8")
  expect(page).toContain('<link rel="manifest" href="/keyferry.webmanifest" />')
})
