/**
 * A plugin of StrykerJS that leaves the `what` of a `ChainError` alone: words for whoever reads a report of an error. Nobody
 * decides by them, and no person is shown them; the code is what callers and tests compare. That the check itself is needed
 * is what the mutations of its condition ask.
 */
interface Node {
  readonly type: string
  readonly name?: string
  readonly key?: Node
  readonly callee?: Node
}
interface NodePath {
  readonly node: Node
  readonly parent: Node | null
}

/** The functions that make such an error out of its words. */
const MAKERS = new Set(["malformed", "notAllowed"])

const isReason = ({ node, parent }: NodePath): boolean =>
  node.type === "StringLiteral" &&
  ((parent?.type === "ObjectProperty" && parent.key?.name === "what") ||
    (parent?.type === "CallExpression" && MAKERS.has(parent.callee?.name ?? "")))

const shouldIgnore = (path: NodePath): string | undefined =>
  isReason(path) ? "words of an error, which nobody compares" : undefined

export const strykerPlugins = [{ kind: "Ignore", name: "reasons", value: { shouldIgnore } }]
