/** Everything that the fast path leaves: the agent's own process, and commands that need the whole program. */
export const runRest = async (argv: readonly string[], program: readonly string[]): Promise<void> => {
  if (argv[0] === "__agent") {
    const { runAgentProcess } = await import("./agent/process.ts")
    await runAgentProcess(argv.slice(1))
    return
  }
  const { runProcess } = await import("./process.ts")
  await runProcess(argv, program)
}
