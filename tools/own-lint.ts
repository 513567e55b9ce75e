/**
 * Rules of this repository that no linter knows. Each finding says why the rule exists.
 */
import { basename } from "node:path"
import {
  isNode,
  isTestFile,
  lineAt,
  listFiles,
  type Node,
  readSources,
  report,
  ROOT,
  type Source,
  type Violation,
  walkNodes,
} from "./source.ts"

interface Rule {
  readonly reason: string
  /** Files the rule is about. */
  readonly where: (path: string) => boolean
  readonly hits: (node: Node) => boolean
}

const PURE = ["base", "crypto", "chain", "protocol", "items", "engine"]

/** Where secret bytes may be taken out of their wrapper, and why there. */
const MAY_REVEAL: readonly (readonly [prefix: string, why: string])[] = [
  ["packages/base/src/secret.ts", "defines it"],
  ["packages/crypto/src/", "hands the bytes to the primitives"],
  ["packages/sdk/src/sealing.ts", "derives the keys of the local store"],
  ["packages/sdk/src/unlock.ts", "seals the local keys"],
  ["packages/sdk/src/lease.ts", "seals the local key of the grace"],
  ["packages/sdk/src/key-bundle.ts", "seals the device's keys"],
  ["packages/sdk/src/device-password.ts", "seals the local keys under a new password"],
  ["packages/sdk/src/staged.ts", "seals the bundle of a device that is about to exist"],
  ["packages/sdk/src/signup.ts", "seals the first bundle"],
  ["packages/sdk/src/enrol.ts", "seals what the login gave until the keys are there"],
  ["packages/sdk/src/enrolment.ts", "seals the keys of a device that joins"],
  ["packages/sdk/src/join-by-slot.ts", "seals the bundle of a device that joins by a slot"],
  ["packages/sdk/src/recover.ts", "seals the bundle that a recovery gave"],
  ["packages/sdk/src/approval.ts", "seals the bundle that an approval delivered"],
  ["packages/sdk/src/rescue.ts", "opens local keys with the kit code, and seals them again"],
  ["packages/sdk/src/device.ts", "signs requests with the device's key"],
  ["packages/sdk/src/device-keys.ts", "signs requests with the seed of the device's key"],
  [
    "packages/sdk/src/browser/key-objects.ts",
    "finds the browser's key object by the name that is kept instead of a seed",
  ],
  ["packages/sdk/src/vault.ts", "signs links of a vault"],
  ["packages/sdk/src/account-keys.ts", "signs links of the account with a slot's key"],
  ["packages/sdk/src/account-calls.ts", "derives the password slot"],
  ["apps/strongroom/src/", "wraps lease keys and data keys under the key of the key service"],
]

const FORBIDDEN_NAMES = new Set(["data", "info", "manager", "helper", "helpers", "utils", "misc"])
const NEVER_WORDS = new Set(["sigchain", "blockchain", "masterKey", "contentKey", "paperKey", "recoveryKey"])

const isPure = (path: string): boolean =>
  PURE.some((name) => path.startsWith(`packages/${name}/src/`)) && !isTestFile(path) && !/\/(node|web)\.ts$/.test(path)

const rules: readonly Rule[] = [
  {
    reason: "reveal() takes secret bytes out of their wrapper; only the places listed in tools/own-lint.ts may",
    where: (path) => !isTestFile(path) && !outer(path) && !MAY_REVEAL.some(([prefix]) => path.startsWith(prefix)),
    hits: (node) => isCall(node) && memberName(node["callee"]) === "reveal",
  },
  {
    reason: "time is a parameter (Clock) in a pure package, so that tests own it",
    where: isPure,
    hits: (node) =>
      isMember(node, "Date", "now") ||
      isMember(node, "performance", "now") ||
      (node.type === "NewExpression" && nameOf(node["callee"]) === "Date" && listOf(node["arguments"]).length === 0),
  },
  {
    reason: "randomness is a parameter (Random), and Math.random is no randomness at all",
    where: () => true,
    hits: (node) => isMember(node, "Math", "random"),
  },
  {
    reason: "columns are listed, or a new column is read by a query that never meant it",
    where: (path) => !path.startsWith("tools/") && !isTestFile(path),
    hits: (node) =>
      (isCall(node) && memberName(node["callee"]) === "selectAll") || /\bselect\s+\*/i.test(stringOf(node)),
  },
  {
    reason: "an HPKE sender key switches to auth mode, which is not what the spec's rules are about: sign instead",
    // One test sets the trap to show that it does not catch us.
    where: (path) => !path.startsWith("tools/") && path !== "adversarial/server/codec.test.ts",
    hits: (node) => nameOf(node) === "senderKey",
  },
  {
    reason: "named exports only: a default export has another name in every file",
    where: (path) => !/(^|\/)[a-z]+\.config\.ts$/.test(path),
    hits: (node) => node.type === "ExportDefaultDeclaration",
  },
  {
    reason: "not erasable: Node runs the sources as they are, so no enum and no namespace",
    where: (path) => !path.endsWith(".d.ts"),
    hits: (node) =>
      node.type === "TSEnumDeclaration" || (node.type === "TSModuleDeclaration" && node["kind"] !== "global"),
  },
  {
    reason: "libraries do not print; hand the fact to the caller or to the log",
    where: (path) =>
      !isTestFile(path) &&
      ((path.startsWith("packages/") && !path.startsWith("packages/testkit/")) ||
        (/^apps\/(server|strongroom)\/src\//.test(path) && !/\/(main|log)\.ts$|\/log\//.test(path))),
    hits: (node) => node.type === "MemberExpression" && nameOf(node["object"]) === "console",
  },
  {
    reason: 'a chosen or left-out test hides the others; say `context.skip("reason")` where a machine lacks something',
    where: (path) => !path.startsWith("tools/own-lint"),
    hits: (node) =>
      node.type === "MemberExpression" &&
      ["test", "it", "describe"].includes(nameOf(node["object"])) &&
      ["only", "skip", "skipIf", "runIf", "todo"].includes(memberName(node)),
  },
  {
    reason: "this name says nothing; name the thing it is",
    where: () => true,
    hits: (node) => declaredNames(node).some((name) => FORBIDDEN_NAMES.has(name) && name !== "info"),
  },
  {
    // In cryptography `info` is the name that RFC 5869 and RFC 9180 give to the context of a derivation.
    reason: "this name says nothing; name the thing it is",
    where: (path) => !path.startsWith("packages/crypto/"),
    hits: (node) => declaredNames(node).includes("info"),
  },
  {
    reason: "another word for something the glossary already names",
    where: (path) => !path.startsWith("tools/"),
    hits: (node) => NEVER_WORDS.has(nameOf(node)),
  },
]

export const ownLint = (sources: readonly Source[]): readonly Violation[] =>
  sources.flatMap((source) => {
    const found: Violation[] = []
    const lines = new Set<string>()
    const applying = rules.filter((rule) => rule.where(source.path))
    walkNodes(source.program(), (node) => {
      for (const rule of applying) {
        if (!rule.hits(node)) continue
        const line = lineAt(source.text, node.start)
        if (lines.has(`${line} ${rule.reason}`)) continue
        lines.add(`${line} ${rule.reason}`)
        found.push({ file: source.path, line, reason: rule.reason })
      }
    })
    return found
  })

/** Names of files, whatever their kind. */
export const lintNames = (paths: readonly string[]): readonly Violation[] =>
  paths.flatMap((path) => {
    const stem = basename(path).split(".")[0] ?? ""
    if (FORBIDDEN_NAMES.has(stem))
      return [{ file: path, line: 0, reason: "this file name says nothing; name the thing it is" }]
    if (path.endsWith(".md") || /^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)) return []
    return [{ file: path, line: 0, reason: "file names are kebab-case" }]
  })

const outer = (path: string): boolean => !path.startsWith("packages/") && !path.startsWith("apps/")
const isCall = (node: Node): boolean => node.type === "CallExpression"
const nameOf = (node: unknown): string => (isNode(node) && node.type === "Identifier" ? String(node["name"]) : "")
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const memberName = (node: unknown): string =>
  isNode(node) && node.type === "MemberExpression" ? nameOf(node["property"]) : ""

const isMember = (node: Node, object: string, property: string): boolean =>
  node.type === "MemberExpression" && nameOf(node["object"]) === object && memberName(node) === property

const stringOf = (node: Node): string => {
  if (node.type === "Literal" && typeof node["value"] === "string") return node["value"]
  if (node.type === "TemplateElement") return (node["value"] as { raw: string }).raw
  return ""
}

const declaredNames = (node: Node): readonly string[] => {
  if (node.type === "VariableDeclarator") return [nameOf(node["id"])]
  if (["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"].includes(node.type)) {
    return [nameOf(node["id"]), ...listOf(node["params"]).map(nameOf)]
  }
  return []
}

if (import.meta.main) {
  const files = listFiles(
    ROOT,
    ["packages", "apps", "tools", "spec", "adversarial", "e2e", "bench", "docs"],
    /\.(ts|tsx|mjs|py|md)$/,
  )
  report("own-lint", [...ownLint(readSources()), ...lintNames(files)])
}
