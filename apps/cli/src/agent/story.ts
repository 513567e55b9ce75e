/**
 * What the agent's log keeps of a defect: its name, its code and where it happened. Not its message, which may quote what a
 * library was given.
 */
export const storyOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "Defect"
  const code = "code" in error && typeof error.code === "string" ? ` ${error.code}` : ""
  const places = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))
  return [`${error.name}${code}`, ...places].join("\n")
}
