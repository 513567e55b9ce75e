import type { ChildProcess } from "node:child_process"

/* Programs that a family started: one that breaks or hangs leaves none behind to disturb those after it. */
const running = new Set<ChildProcess>()

export const endWithFamily = (child: ChildProcess): void => {
  running.add(child)
  child.once("close", () => running.delete(child))
}

/** What a family that went well has stopped is not here any more. A strongroom ends with its server. */
export const endLeftovers = (): void => {
  for (const child of running) child.kill("SIGKILL")
}
