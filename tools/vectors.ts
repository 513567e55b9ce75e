import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

import { TOPICS } from "../spec/generate/topics.ts"
import { fieldsOf, formatVector, parseVector, type Topic } from "../spec/generate/vector.ts"

/*
 * npm run vectors: holds the code, the generators and a second program to every committed vector.
 * `--write` adds folders that are new; a committed vector is never written again.
 */

const ROOT = fileURLToPath(new URL("../spec/vectors/", import.meta.url))
const SECOND_PROGRAM = fileURLToPath(new URL("../spec/reference/open.py", import.meta.url))
const MANIFEST = `${ROOT}MANIFEST`
const PUBLIC = "public-"
const problems: string[] = []

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
const read = (path: string): string => readFileSync(`${ROOT}${path}`, "utf8")
const folders = (): string[] =>
  readdirSync(ROOT, { withFileTypes: true })
    .flatMap((e) => (e.isDirectory() ? e.name : []))
    .sort()
const filesOf = (folder: string): string[] =>
  readdirSync(`${ROOT}${folder}`)
    .sort()
    .map((name) => `${folder}/${name}`)

const readManifest = (): Map<string, string> => {
  const lines = existsSync(MANIFEST)
    ? readFileSync(MANIFEST, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : []
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]))
}

/** New folders only: what the manifest names is frozen. */
const write = async (): Promise<void> => {
  const frozen = new Set([...readManifest().keys()].map((path) => path.split("/")[0]))
  for (const topic of TOPICS) {
    if (topic.generate === undefined || frozen.has(topic.name)) continue
    mkdirSync(`${ROOT}${topic.name}`, { recursive: true })
    for (const [name, made] of await topic.generate())
      writeFileSync(`${ROOT}${topic.name}/${name}.txt`, formatVector(made))
  }
  const manifest = readManifest()
  for (const folder of folders()) {
    if (frozen.has(folder)) continue
    for (const path of filesOf(folder)) manifest.set(path, sha256(read(path)))
  }
  const lines = [...manifest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, hash]) => `${hash}  ${path}\n`)
  writeFileSync(MANIFEST, lines.join(""))
}

/** A frozen file that is gone, changed, or joined by another one. A folder that is not in the manifest is new, and free. */
const checkManifest = (): void => {
  const manifest = readManifest()
  if (manifest.size === 0) problems.push("spec/vectors/MANIFEST is missing or empty")
  const present = folders().flatMap(filesOf)
  for (const [path, hash] of manifest) {
    if (!present.includes(path)) problems.push(`${path}: a frozen vector is missing`)
    else if (sha256(read(path)) !== hash)
      problems.push(`${path}: a frozen vector has changed; a new format needs a new folder`)
  }
  const frozen = new Set([...manifest.keys()].map((path) => path.split("/")[0]))
  for (const path of present) {
    if (frozen.has(path.split("/")[0]) && !manifest.has(path))
      problems.push(`${path}: not in the manifest of its frozen folder`)
  }
}

/** The generator still makes exactly these files, so sealing has not drifted either. */
const checkGenerator = async (topic: Topic): Promise<void> => {
  if (topic.generate === undefined) return
  const made = await topic.generate()
  const present = filesOf(topic.name)
  for (const [name, v] of made) {
    const path = `${topic.name}/${name}.txt`
    if (!present.includes(path)) problems.push(`${path}: made by its generator, not committed`)
    else if (read(path) !== formatVector(v)) problems.push(`${path}: its generator makes other bytes`)
  }
  for (const path of present) {
    const name = path.slice(topic.name.length + 1, -".txt".length)
    if (!made.has(name)) problems.push(`${path}: not made by its generator`)
  }
}

const checkTopic = async (topic: Topic): Promise<number> => {
  const paths = existsSync(`${ROOT}${topic.name}`) ? filesOf(topic.name) : []
  if (paths.length === 0) problems.push(`${topic.name}: no vectors`)
  else await checkGenerator(topic)
  for (const path of paths) {
    const v = parseVector(read(path))
    const outcome = await topic.check(fieldsOf(v.fields)).catch((error: unknown) => `threw ${String(error)}`)
    if (outcome !== v.expect) problems.push(`${path}: expected ${v.expect}, the code says ${outcome}`)
  }
  return paths.length
}

const hasCryptography = (python: string): boolean =>
  spawnSync(python, ["-c", "import cryptography"], { stdio: "ignore" }).status === 0

/** A python3 with its usual cryptography package; asks Debian's package manager for one if there is none. */
const findPython = (): { readonly python: string } | { readonly reason: string } => {
  const candidates = ["python3", "/usr/bin/python3"]
  const found = candidates.find(hasCryptography)
  if (found !== undefined) return { python: found }
  const install = ["-qq", "-y", "--no-install-recommends", "install", "python3", "python3-cryptography"]
  const options = { encoding: "utf8", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const
  let apt = spawnSync("apt-get", install, options)
  if (apt.status !== 0 && apt.error === undefined) {
    spawnSync("apt-get", ["-qq", "update"], options)
    apt = spawnSync("apt-get", install, options)
  }
  const after = candidates.find(hasCryptography)
  if (after !== undefined) return { python: after }
  const said = apt.error?.message ?? (apt.status === 0 ? "installed, yet python3 cannot import it" : apt.stderr.trim())
  const detail = said.split("\n").at(-1) ?? ""
  return { reason: `needs python3 with the package cryptography, and could not install it: ${detail}` }
}

/** How many own vectors the second program opens with the expected outcome. */
const runSecondProgram = (): number => {
  const found = findPython()
  if ("reason" in found) {
    problems.push(`second program: ${found.reason}`)
    return 0
  }
  const run = spawnSync(found.python, [SECOND_PROGRAM, ROOT], { encoding: "utf8", maxBuffer: 1 << 26 })
  const lines = run.stdout.split("\n")
  const last = /^(\d+) opened$/.exec(lines.at(-2) ?? "")
  for (const line of lines.slice(0, -2)) problems.push(`second program: ${line}`)
  if (last === null) problems.push(`second program: no result; ${run.stderr.trim().split("\n").at(-1) ?? ""}`)
  return Number(last?.[1] ?? 0)
}

if (process.argv.includes("--write")) await write()
checkManifest()
let own = 0
let published = 0
for (const topic of TOPICS) {
  const count = await checkTopic(topic)
  if (topic.name.startsWith(PUBLIC)) published += count
  else own += count
}
for (const folder of folders()) {
  if (!TOPICS.some((topic) => topic.name === folder)) problems.push(`${folder}: a folder that no topic checks`)
}
const opened = runSecondProgram()
if (opened !== own) problems.push(`second program: opened ${opened} of ${own}`)
for (const problem of problems) console.error(problem)
console.log(`${published} public, ${own} own, ${opened} opened by the second program`)
process.exit(problems.length === 0 ? 0 : 1)
