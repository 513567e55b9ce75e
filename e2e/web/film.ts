import { renameSync, writeFileSync } from "node:fs"

import type { Tab } from "./browsers.ts"

declare const document: {
  readonly querySelector: (selector: string) => { readonly getAttribute: (name: string) => string | null } | null
}

const WIDTH = 640
const HEIGHT = 480
const GREY = 128
const BLACK = 16
const WHITE = 235

/** Films the QR code that a page shows, as a camera before it would: a Y4M file of one picture. */
export const filmCode = async (tab: Tab, file: string): Promise<void> => {
  const [size, path] = await tab.run(
    () => [
      Number(document.querySelector(".qr")?.getAttribute("viewBox")?.split(" ")[2]),
      document.querySelector(".qr path")?.getAttribute("d") ?? "",
    ],
    undefined,
  )
  const dark = [...path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, x, y]) => [Number(x), Number(y)] as const)
  if (dark.length === 0) throw new Error("there is no code on this page")
  const scale = Math.floor((0.9 * HEIGHT) / size)
  const [left, top] = [WIDTH, HEIGHT].map((length) => Math.floor((length - size * scale) / 2)) as [number, number]
  const light = Buffer.alloc(WIDTH * HEIGHT, WHITE)
  for (const [x, y] of dark)
    for (let row = 0; row < scale; row++) {
      const start = (top + y * scale + row) * WIDTH + left + x * scale
      light.fill(BLACK, start, start + scale)
    }
  const colour = Buffer.alloc((WIDTH * HEIGHT) / 2, GREY)
  const head = `YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420mpeg2\n`
  writeFileSync(`${file}.new`, Buffer.concat([Buffer.from(`${head}FRAME\n`), light, colour]))
  renameSync(`${file}.new`, file)
}
