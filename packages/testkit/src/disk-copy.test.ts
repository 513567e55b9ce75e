import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { copyDisk } from "./disk-copy.ts"

const folder = mkdtempSync(join(tmpdir(), "disk-"))
afterAll(() => rmSync(folder, { recursive: true }))

test("a copy has every file, mode and link; sockets stay behind", async () => {
  const from = join(folder, "from")
  mkdirSync(join(from, ".kf", "empty"), { recursive: true })
  writeFileSync(join(from, ".kf", "store.db"), "rows")
  chmodSync(join(from, ".kf", "store.db"), 0o600)
  chmodSync(join(from, ".kf"), 0o700)
  symlinkSync("store.db", join(from, ".kf", "link"))
  const server = createServer().listen(join(from, "agent.sock"))
  await new Promise((resolve) => server.once("listening", resolve))

  const to = join(folder, "to")
  expect(copyDisk(from, to)).toEqual({ folder: to, files: 1, sizeBytes: 4 })
  server.close()
  expect(readFileSync(join(to, ".kf", "store.db"), "utf8")).toBe("rows")
  expect(lstatSync(join(to, ".kf", "store.db")).mode & 0o777).toBe(0o600)
  expect(lstatSync(join(to, ".kf")).mode & 0o777).toBe(0o700)
  expect(lstatSync(join(to, ".kf", "store.db")).mtimeMs).toBeCloseTo(
    lstatSync(join(from, ".kf", "store.db")).mtimeMs,
    -1,
  )
  expect(readlinkSync(join(to, ".kf", "link"))).toBe("store.db")
  expect(existsSync(join(to, ".kf", "empty"))).toBe(true)
  expect(existsSync(join(to, "agent.sock"))).toBe(false)
  expect(() => copyDisk(from, to)).toThrow("EEXIST")
})
