import { readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

import type { CommandSpec } from "./command.ts"
import { commands } from "./commands/index.ts"
import { SECRET_NAMES } from "./secrets.ts"

const text = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "cli.md"), "utf8")

const all = async (): Promise<readonly (readonly [path: string, spec: CommandSpec])[]> => {
  const found: [string, CommandSpec][] = []
  for (const [name, load] of Object.entries(commands)) {
    if (name.startsWith("_")) continue
    const spec = await load()
    found.push([name, spec])
    for (const sub of spec.subcommands ?? []) found.push([`${name} ${sub.name}`, sub])
  }
  return found
}

test("docs/cli.md names every command and every flag", async () => {
  for (const [path, spec] of await all()) {
    expect(text, path).toMatch(new RegExp(`\`(?:kf )?${path}\\b`))
    for (const option of spec.options ?? [])
      expect(text, `${path} ${option.flags}`).toContain(/--[a-z-]+/.exec(option.flags)?.[0])
  }
})

test("docs/cli.md names no command that does not exist", async () => {
  const paths = new Set((await all()).map(([path]) => path))
  for (const [, name] of text.matchAll(/`kf ([a-z0-9][a-z0-9-]*)/g)) expect(paths, name).toContain(name)
})

test("docs/cli.md names every secret", () => {
  for (const name of SECRET_NAMES) expect(text).toContain(`| \`${name}\` |`)
})
