import { expect, test } from "vitest"
import { checkDocument, checkLayers, readDeclared, renderTables } from "./layers.ts"
import { createSource } from "./source.ts"

const declared = readDeclared()
const reasons = (path: string, text: string): readonly string[] =>
  checkLayers([createSource(path, text)], declared).map((one) => one.reason)

test("a planted server → items import is found, with its reason", () => {
  expect(reasons("apps/server/src/service/sync.ts", 'import { sshKey } from "@keyferry/items"')).toEqual([
    "server → items: the server must not be able to name a plaintext field",
  ])
})

test("a type, a re-export, a dynamic import and an import type are arrows too", () => {
  for (const text of [
    'import type { SshKey } from "@keyferry/items"',
    'export { sshKey } from "@keyferry/items"',
    'export * from "@keyferry/items"',
    'const items = await import("@keyferry/items")',
    'type Key = import("@keyferry/items").SshKey',
  ]) {
    expect(reasons("apps/server/src/service/sync.ts", text).join(), text).toContain("name a plaintext field")
  }
})

test("arrows of the table pass, others name what is allowed", () => {
  expect(reasons("packages/chain/src/link.ts", 'import { ok } from "@keyferry/base"')).toEqual([])
  expect(reasons("packages/base/src/x.ts", 'import { errors } from "@keyferry/protocol"').join()).toContain(
    "base may import nothing",
  )
})

test("tests may import testkit and any package, production may not", () => {
  const text = 'import { createCanary } from "@keyferry/testkit"\nimport { seal } from "@keyferry/crypto"'
  expect(reasons("apps/server/src/http/a.test.ts", text)).toEqual([])
  expect(reasons("apps/server/src/http/a.ts", text)).toHaveLength(2)
})

test("nobody imports an app, hazmat, or another package's files", () => {
  expect(reasons("packages/sdk/src/a.ts", 'import { main } from "@keyferry/server"').join()).toContain(
    "apps are leaves",
  )
  expect(reasons("packages/sdk/src/a.ts", 'import { aes } from "@keyferry/crypto/hazmat/aes"').join()).toContain(
    "raw ciphers are not an API",
  )
  expect(reasons("packages/sdk/src/a.ts", 'import { aes } from "../../crypto/src/hazmat/aes.ts"').join()).toContain(
    "reached by their name",
  )
})

test("Node stays out of what must run in a browser", () => {
  expect(reasons("packages/engine/src/outbox.ts", 'import { readFileSync } from "node:fs"').join()).toContain(
    "tested by replay",
  )
  expect(reasons("packages/sdk/src/push.ts", 'import { readFileSync } from "node:fs"')).toHaveLength(1)
  expect(reasons("packages/sdk/src/node/files.ts", 'import { readFileSync } from "node:fs"')).toEqual([])
})

test("a library is declared by the package that imports it, and stays behind its file", () => {
  expect(reasons("packages/items/src/kind.ts", 'import { encode } from "cborg"').join()).toContain("not a dependency")
  expect(reasons("packages/sdk/src/browser/a.ts", 'import { openDB } from "idb"')).toEqual([])
  expect(reasons("packages/sdk/src/a.ts", 'import { openDB } from "idb"').join()).toContain("stays behind")
})

test("inside the server, arrows point down", () => {
  expect(reasons("apps/server/src/store/accounts.ts", 'import { a } from "../service/a.ts"')).toHaveLength(1)
  expect(reasons("apps/server/src/service/a.ts", 'import { b } from "../store/b.ts"')).toEqual([])
})

test("a circle of files is told once; types do not close it", () => {
  const ring = (kind: string) => [
    createSource("packages/base/src/a.ts", 'import { b } from "./b.ts"'),
    createSource("packages/base/src/b.ts", `import ${kind} { a } from "./a.ts"`),
  ]
  expect(checkLayers(ring(""), declared).map((one) => one.reason)).toEqual([
    "import cycle: packages/base/src/a.ts → packages/base/src/b.ts → packages/base/src/a.ts",
  ])
  expect(checkLayers(ring("type"), declared)).toEqual([])
})

test("the document's tables are compared word for word", () => {
  const text = `<!-- written by tools/layers.ts -->\n\n${renderTables()}\n\n<!-- end -->`
  expect(checkDocument(text)).toEqual([])
  expect(checkDocument(text.replace("name a plaintext field", "see it"))).toHaveLength(1)
})
