/**
 * `npm run cli-contract`: what every command of `kf` does when it is asked for help, when it is asked for JSON, when nobody is
 * there to answer, and when its input is wrong. Prints a table of exit codes and closes with `N passed, N failed`.
 *
 * Held to in every run: it ends within ten seconds, prints no stack trace and no planted secret, answers JSON with one document
 * of a named schema, and says a failure as a problem object whose exit is the exit. `docs/cli.md` has the meaning of the codes.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { ROOT } from "./source.ts"

const LIMIT_MS = 30_000
const KF = join(ROOT, "apps", "cli", "bin", "kf.mjs")
const home = mkdtempSync(join(tmpdir(), "kf-contract-"))

/** None of these may come out of anything that was not asked to show it. */
const PASSWORD = "planted-password-correct-horse"
const FIELD_SECRET = "plantedFieldSecret9f8e7d6c5b4a"
const PLANTED = [PASSWORD, FIELD_SECRET]

interface Run {
  readonly args: readonly string[]
  readonly profile: "empty" | "locked" | "open"
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
}

interface Ended {
  readonly exit: number | "hung"
  readonly stdout: string
  readonly stderr: string
}

const kf = ({ args, profile, stdin, env }: Run): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [KF, "--profile", profile, ...args], {
      cwd: home,
      stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: home, LANG: "C.UTF-8", TZ: "UTC", ...env },
    })
    let stdout = ""
    let stderr = ""
    child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(stdin)
    let hung = false
    const limit = setTimeout(() => {
      hung = true
      child.kill("SIGKILL")
    }, LIMIT_MS)
    child.once("close", (code) => {
      clearTimeout(limit)
      resolve({ exit: hung ? "hung" : (code ?? -1), stdout, stderr })
    })
  })

interface Described {
  readonly path: string
  readonly runs: boolean
  readonly args: readonly string[]
}

let passed = 0
const failures: string[] = []
const check = (holds: boolean, what: string): void => {
  if (holds) passed++
  else failures.push(what)
}

/** What holds for every run, whatever it was asked. */
const checkManners = (name: string, ended: Ended, mayShow: boolean): void => {
  const said = ended.stdout + ended.stderr
  check(ended.exit !== "hung", `${name}: did not end within ${LIMIT_MS / 1000} s`)
  check(!/^\s+at .*:\d+:\d+\)?$/m.test(said) && !/node:internal/.test(said), `${name}: printed a stack trace`)
  if (!mayShow) check(!PLANTED.some((secret) => said.includes(secret)), `${name}: printed a planted secret`)
}

const checkJson = (name: string, ended: Ended): void => {
  const out = ended.stdout.trim()
  if (out !== "") check(schemaOf(out) !== undefined, `${name}: stdout is not one document with a schema`)
  const problem = lastProblem(ended.stderr)
  const isFailure = out === "" && ended.exit !== 0
  if (isFailure)
    check(
      problem !== undefined && problem["exit"] === ended.exit,
      `${name}: the problem on stderr does not carry exit ${ended.exit}`,
    )
}

const schemaOf = (text: string): string | undefined => {
  try {
    const { schema } = JSON.parse(text) as { schema?: unknown }
    return typeof schema === "string" && /^kf\.[a-z0-9-]+\/\d+$/.test(schema) ? schema : undefined
  } catch {
    return undefined
  }
}

const lastProblem = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    return JSON.parse(text.trim().split("\n").at(-1) ?? "") as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** An argument of each kind that is well formed and names nothing. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  "<kind>": "note",
  "<ref>": "no such item",
  "<refs...>": "no such item",
  "<field>": "no-such-field",
  "<file>": "no-such-file",
  "<link>": "http://localhost:9/a/no-such-invitation",
  "<device>": "no-such-device",
  "<name>": "laptop",
  "<state>": "on",
}

/** What a command needs besides its arguments to get to its work. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  "export archive": ["-o", "archive.age"],
  "verify-web": ["--manifest", "none.json"],
}

const argumentsFor = ({ path, args }: Described): readonly string[] => [
  ...args.filter((arg) => arg.startsWith("<")).map((arg) => ARGUMENTS[arg] ?? "x"),
  ...(FLAGS[path] ?? []),
]

/**
 * Exit codes by command: with no vault at all, with a locked one, with an open one of this device alone; each time with well-formed
 * arguments that name nothing, and no terminal.
 */
const EXPECTED: Readonly<Record<string, readonly [empty: number, locked: number, open: number]>> = {
  add: [9, 9, 9],
  ls: [3, 4, 0],
  get: [3, 4, 3],
  read: [3, 4, 3],
  copy: [9, 9, 9],
  otp: [3, 4, 3],
  edit: [3, 4, 3],
  rm: [3, 4, 3],
  restore: [3, 4, 3],
  history: [3, 4, 3],
  conflicts: [3, 4, 0],
  "conflicts ls": [3, 4, 0],
  "conflicts show": [3, 4, 3],
  "conflicts pick": [3, 4, 3],
  local: [3, 4, 3],
  synced: [3, 4, 3],
  unlock: [3, 4, 0],
  lock: [0, 0, 0],
  status: [0, 0, 0],
  doctor: [0, 0, 0],
  sync: [3, 4, 8],
  "sync now": [3, 4, 8],
  "sync on": [4, 4, 4],
  "sync off": [3, 4, 0],
  "sync resume": [3, 4, 8],
  "sync credentials": [3, 4, 0],
  "sync auto": [3, 4, 0],
  signup: [9, 9, 9],
  login: [2, 4, 2],
  logout: [4, 4, 9],
  device: [3, 4, 8],
  "device ls": [3, 4, 8],
  "device approve": [3, 4, 8],
  "device deny": [3, 4, 8],
  "device rename": [3, 4, 8],
  "device remove": [3, 4, 8],
  activity: [8, 8, 8],
  rotate: [3, 4, 0],
  "rotate ls": [3, 4, 0],
  "rotate done": [3, 4, 3],
  kit: [3, 4, 4],
  "2fa": [3, 4, 4],
  "2fa on": [3, 4, 4],
  "2fa confirm": [3, 4, 4],
  "2fa off": [3, 4, 4],
  "2fa remove": [3, 4, 4],
  "2fa keep": [3, 4, 4],
  "2fa codes": [3, 4, 4],
  password: [9, 9, 9],
  address: [4, 4, 4],
  "address show": [4, 4, 4],
  "address set": [4, 4, 4],
  policy: [3, 4, 4],
  "policy show": [3, 4, 4],
  "policy set": [2, 2, 2],
  freeze: [4, 4, 4],
  thaw: [4, 4, 4],
  recover: [2, 4, 2],
  rescue: [3, 3, 3],
  export: [2, 2, 2],
  "export archive": [3, 4, 9],
  import: [2, 2, 2],
  "import archive": [3, 3, 3],
  ssh: [2, 2, 2],
  "ssh socket": [0, 0, 0],
  "ssh keys": [3, 4, 0],
  "ssh config": [3, 4, 0],
  "verify-web": [2, 2, 2],
  agent: [0, 0, 0],
  "agent start": [0, 0, 0],
  "agent stop": [0, 0, 0],
  "agent status": [0, 0, 0],
  "agent socket": [0, 0, 0],
  gen: [0, 0, 0],
  kinds: [0, 0, 0],
  completion: [2, 2, 2],
  "completion bash": [0, 0, 0],
  "completion zsh": [0, 0, 0],
  "completion fish": [0, 0, 0],
  help: [0, 0, 0],
  version: [0, 0, 0],
}

const main = async (): Promise<number> => {
  await prepare()
  const listed = JSON.parse((await kf({ args: ["help", "--json"], profile: "empty" })).stdout) as {
    data: readonly Described[]
  }
  const commands = listed.data
  const rows: string[][] = []
  // Two at a time: each is a process of its own, and most of its time is its start.
  for (let i = 0; i < commands.length; i += 2)
    rows.push(...(await Promise.all(commands.slice(i, i + 2).map(contractOf))))
  for (const name of Object.keys(EXPECTED))
    check(
      commands.some(({ path }) => path === name),
      `${name} is in the table and does not exist`,
    )
  await misuse()
  print(["COMMAND", "--help", "no vault", "locked", "open", "wrong flag", "one too many"], rows)
  for (const failure of failures) console.log(`failed: ${failure}`)
  console.log(`${passed} passed, ${failures.length} failed`)
  return failures.length === 0 && passed > 0 ? 0 : 1
}

const prepare = async (): Promise<void> => {
  for (const profile of ["locked", "open"] as const) {
    const secrets = `password=${PASSWORD}\nfield:password=${FIELD_SECRET}\n`
    const added = await kf({
      args: ["add", "login", "Planted", "username=ada", "password=-", "--secrets-stdin"],
      profile,
      stdin: secrets,
    })
    if (added.exit !== 0) throw new Error(`the ${profile} profile could not be made: ${added.stderr}`)
  }
  await kf({ args: ["lock"], profile: "locked" })
}

const contractOf = async (command: Described): Promise<string[]> => {
  const { path } = command
  const words = path.split(" ")
  const given = argumentsFor(command)
  const [help, wrongFlag, tooMany] = await Promise.all([
    kf({ args: [...words, "--help"], profile: "empty" }),
    kf({ args: [...words, ...given, "--no-such-flag"], profile: "empty" }),
    kf({ args: [...words, ...given, "one", "two", "three", FIELD_SECRET], profile: "empty" }),
  ])
  check(help.exit === 0 && help.stdout.includes(`kf ${path}`), `kf ${path} --help: exit ${help.exit} or no usage line`)
  check(wrongFlag.exit === 2, `kf ${path} --no-such-flag: exit ${wrongFlag.exit} instead of 2`)
  const takesMany = command.args.some((arg) => arg.endsWith("...]") || arg.endsWith("...>"))
  if (!takesMany) check(tooMany.exit === 2, `kf ${path} with too many words: exit ${tooMany.exit} instead of 2`)
  for (const [name, ended] of [
    ["--help", help],
    ["--no-such-flag", wrongFlag],
    ["too many words", tooMany],
  ] as const) {
    checkManners(`kf ${path} ${name}`, ended, false)
  }
  if (command.args.some((arg) => arg.startsWith("<"))) {
    const missing = await kf({ args: words, profile: "empty" })
    check(missing.exit === 2, `kf ${path} without its arguments: exit ${missing.exit} instead of 2`)
    checkManners(`kf ${path} without its arguments`, missing, false)
  }
  const codes: (number | "hung")[] = []
  for (const profile of ["empty", "locked", "open"] as const) {
    if (path === "agent stop" || path === "lock") {
      // They would change what the other commands meet.
      codes.push(0)
      continue
    }
    const [plain, json] = await Promise.all([
      kf({ args: [...words, ...given], profile }),
      kf({ args: [...words, ...given, "--json"], profile }),
    ])
    codes.push(plain.exit)
    check(json.exit === plain.exit, `kf ${path} (${profile}): exit ${plain.exit}, but ${json.exit} with --json`)
    checkManners(`kf ${path} (${profile})`, plain, false)
    checkManners(`kf ${path} --json (${profile})`, json, false)
    checkJson(`kf ${path} --json (${profile})`, json)
    if (plain.exit !== 0 && plain.stdout === "")
      check(/^kf: .+\n {4}.+\n {2}→ .+/m.test(plain.stderr), `kf ${path} (${profile}): no sentence, meaning and action`)
  }
  const expected = EXPECTED[path]
  check(
    expected !== undefined && expected.every((code, i) => code === codes[i]),
    `kf ${path}: exits ${codes.join(", ")}, the table says ${expected?.join(", ") ?? "nothing"}`,
  )
  return [path, String(help.exit), ...codes.map(String), String(wrongFlag.exit), takesMany ? "-" : String(tooMany.exit)]
}

/** Wrong input that belongs to no single command. */
const misuse = async (): Promise<void> => {
  const file = join(home, "secret-file")
  writeFileSync(file, `${FIELD_SECRET}\n`, { mode: 0o600 })
  const cases: readonly (Run & { readonly what: string; readonly exit: number })[] = [
    {
      what: "a secret in the arguments",
      args: ["add", "login", "x", `password=${FIELD_SECRET}`],
      profile: "open",
      exit: 2,
    },
    { what: "a password as a word", args: ["unlock", PASSWORD], profile: "locked", exit: 2 },
    { what: "a secret as a command", args: [FIELD_SECRET], profile: "open", exit: 2 },
    { what: "a secret as a flag", args: ["ls", `--${FIELD_SECRET}`], profile: "open", exit: 2 },
    { what: "a secret as a kind", args: ["add", FIELD_SECRET], profile: "open", exit: 2 },
    {
      what: "a wrong password",
      args: ["unlock", "--password-stdin"],
      stdin: "not the password",
      profile: "locked",
      exit: 4,
    },
    { what: "an empty password", args: ["unlock", "--password-stdin"], stdin: "", profile: "locked", exit: 2 },
    {
      what: "a secrets line without a name",
      args: ["unlock", "--secrets-stdin"],
      stdin: `${PASSWORD}\n`,
      profile: "locked",
      exit: 2,
    },
    {
      what: "a secrets line with an unknown name",
      args: ["unlock", "--secrets-stdin"],
      stdin: `pasword=${PASSWORD}\n`,
      profile: "locked",
      exit: 2,
    },
    {
      what: "secrets that are not text",
      args: ["unlock", "--secrets-stdin"],
      stdin: "password=\u0000\ufffe",
      profile: "locked",
      exit: 4,
    },
    { what: "a descriptor that is not open", args: ["unlock", "--secrets-fd", "77"], profile: "locked", exit: 2 },
    {
      what: "two sources of secrets",
      args: ["unlock", "--secrets-stdin", "--password-stdin"],
      profile: "locked",
      exit: 2,
    },
    {
      what: "stdin wanted twice",
      args: ["add", "login", "x", "password=-", "--password-stdin"],
      stdin: PASSWORD,
      profile: "open",
      exit: 2,
    },
    {
      what: "a file that is not there",
      args: ["add", "login", "x", "password=@no-such-file"],
      profile: "open",
      exit: 3,
    },
    { what: "a folder as a file", args: ["add", "login", "x", "password=@."], profile: "open", exit: 2 },
    { what: "a field twice", args: ["add", "login", "x", "username=a", "user=b"], profile: "open", exit: 2 },
    { what: "a key that is no key", args: ["add", "ssh-key", "x", `private-key=@${file}`], profile: "open", exit: 2 },
    {
      what: "a title of control characters",
      args: ["add", "login", "\u001b[2J\u0007", "username=a"],
      profile: "open",
      exit: 0,
    },
    { what: "that title in a list", args: ["ls"], profile: "open", exit: 0 },
    { what: "a profile that climbs", args: ["ls", "--profile", "../x"], profile: "open", exit: 2 },
    { what: "a timeout of words", args: ["ls", "--timeout", "soon"], profile: "open", exit: 2 },
    { what: "a malformed reference", args: ["read", "kf://Personal//password"], profile: "open", exit: 2 },
    { what: "an unknown field", args: ["read", "Planted", "pasword"], profile: "open", exit: 3 },
    { what: "an unknown query", args: ["read", "kf://~/Planted/password?colour=red"], profile: "open", exit: 2 },
    {
      what: "a damaged archive",
      args: ["import", "archive", file, "--secrets-stdin"],
      stdin: "archive-passphrase=x\n",
      profile: "open",
      exit: 10,
    },
    {
      what: "an export to nowhere",
      args: ["export", "archive", "-o", "/no/such/folder/x", "--secrets-stdin"],
      stdin: "archive-passphrase=a long passphrase\n",
      profile: "open",
      exit: 5,
    },
    { what: "a server that is an ftp address", args: ["login", "ftp://localhost"], profile: "empty", exit: 2 },
    {
      what: "a server with a password in it",
      args: ["login", `https://ada:${PASSWORD}@example.com`],
      profile: "empty",
      exit: 2,
    },
    {
      what: "a server that does not answer",
      args: ["login", "http://localhost:9", "--address", "ada@example.com", "--password-stdin"],
      stdin: PASSWORD,
      profile: "empty",
      exit: 7,
    },
    {
      what: "a data folder that is a file",
      args: ["add", "note", "x", "--from-stdin"],
      stdin: "text",
      profile: "open",
      env: { XDG_DATA_HOME: file },
      exit: 1,
    },
  ]
  for (const { what, exit, ...run } of cases) {
    for (const json of [false, true]) {
      const ended = await kf({ ...run, args: json ? [...run.args, "--json"] : run.args })
      const name = `${what}${json ? " --json" : ""}`
      check(ended.exit === exit, `${name}: exit ${ended.exit} instead of ${exit}: ${ended.stderr.trim()}`)
      checkManners(name, ended, false)
      // Control characters are what is looked for.
      // eslint-disable-next-line no-control-regex
      check(
        !/[\u0000-\u0009\u000b-\u001f\u007f]/.test(json ? "" : ended.stdout + ended.stderr),
        `${name}: printed a control character`,
      )
      if (json) checkJson(name, ended)
    }
  }
  const shown = await kf({ args: ["read", "Planted", "password"], profile: "open" })
  check(
    shown.exit === 0 && shown.stdout === `${FIELD_SECRET}\n`,
    "kf read prints the value and a line break, nothing else",
  )
  const closed = await kf({ args: ["read", "Planted", "password"], profile: "locked" })
  check(closed.exit === 4 && closed.stdout === "", "kf read of a locked vault is exit 4 and prints nothing")
}

const print = (header: readonly string[], rows: readonly (readonly string[])[]): void => {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)))
  for (const row of [header, ...rows])
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
}

const cleanUp = async (): Promise<void> => {
  for (const profile of ["empty", "locked", "open"] as const) await kf({ args: ["agent", "stop"], profile })
  rmSync(home, { recursive: true, force: true })
}

try {
  process.exitCode = await main()
} finally {
  await cleanUp()
}
